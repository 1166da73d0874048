"""The invariant classifier's three heads on a frozen network: SG21's losses where nothing but the heads is trained, or
the heads and the network's last block.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from cgnlib.imagenet.invariant import Logits, counterfactual_loss, real_loss
from cgnlib.imagenet.names import FACTORS
from cgnlib.imagenet.recipes import HEADS, HeadsRecipe
from cgnlib.randomness import generator, seeded


class Heads(nn.Module):
    """Features (B, D) -> `Logits` over the classes: a linear head for each factor, on standardised features."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: Tensor, deviation: Tensor, classes: int) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)
        self.heads = nn.ModuleDict({name: nn.Linear(len(mean), classes) for name in FACTORS})

    def forward(self, features: Tensor) -> Logits:
        standard = (features - self.mean) / self.deviation
        return Logits(*(self.heads[name](standard) for name in FACTORS))


def train_heads(
    real: Tensor,
    labels: Tensor,
    composed: tuple[Tensor, Tensor] | None,
    classes: int,
    seed: int,
    recipe: HeadsRecipe = HEADS,
    block: nn.Module | None = None,
) -> Callable[[Tensor], Logits]:
    """Heads trained on features of real images (N, D) with labels (N,) and, where there are any, of composed ones:
    (M, D) with labels (M, 3) for shape, texture and background. Returns what gives their logits, frozen.

    Real images train the mean of the heads, composed ones each head on its own label. Batches are drawn with
    replacement. block: maps (B, C, h, w) -> features (B, D); it is trained in place with the heads, and real and
    composed are maps, of which the result gives logits, too.
    """
    block = nn.Identity() if block is None else block
    with torch.no_grad():
        untrained = torch.cat([block(each) for each in real.split(recipe.batch)])
    with seeded(seed, "photographs", "heads"):
        heads = nn.Sequential(block, Heads(untrained.mean(dim=0), untrained.std(dim=0).clamp_min(1e-6), classes))
    groups: list[dict[str, Any]] = [{"params": heads[1].parameters()}]
    if tuned := list(block.parameters()):
        groups.append({"params": tuned, "lr": recipe.block_learning_rate})
    optimizer = torch.optim.AdamW(groups, recipe.learning_rate, weight_decay=recipe.weight_decay)
    stream = generator(seed, "photographs", "batches")
    for _ in range(recipe.steps):
        index = torch.randint(len(real), (recipe.batch,), generator=stream)
        loss = real_loss(heads(real[index]), labels[index])
        if composed is not None:
            features, asked = composed
            index = torch.randint(len(features), (recipe.batch,), generator=stream)
            loss = loss + counterfactual_loss(heads(features[index]), asked[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return heads.eval().requires_grad_(False)
