"""The invariant classifier's three heads on frozen features: SG21's losses where nothing but the heads is trained."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cgnlib.imagenet.invariant import Logits, counterfactual_loss, real_loss
from cgnlib.imagenet.names import FACTORS
from cgnlib.randomness import generator, seeded


@dataclass(frozen=True)
class HeadsRecipe:
    """Training of the heads. batch: real images in a step, and as many counterfactual ones."""

    steps: int = 400
    batch: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2


RECIPE = HeadsRecipe()


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
    composed: Tensor | None,
    composed_labels: Tensor | None,
    classes: int,
    seed: int,
    recipe: HeadsRecipe = RECIPE,
) -> Heads:
    """Heads trained on features of real images (N, D) with labels (N,) and, where there are any, of composed ones
    (M, D) with labels (M, 3) for shape, texture and background, in eval mode.

    Real images train the mean of the heads, composed ones each head on its own label. Batches are drawn with
    replacement.
    """
    with seeded(seed, "photographs", "heads"):
        heads = Heads(real.mean(dim=0), real.std(dim=0).clamp_min(1e-6), classes)
    optimizer = torch.optim.AdamW(heads.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    stream = generator(seed, "photographs", "batches")
    for _ in range(recipe.steps):
        index = torch.randint(len(real), (recipe.batch,), generator=stream)
        loss = real_loss(heads(real[index]), labels[index])
        if composed is not None and composed_labels is not None:
            index = torch.randint(len(composed), (recipe.batch,), generator=stream)
            loss = loss + counterfactual_loss(heads(composed[index]), composed_labels[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return heads.eval().requires_grad_(False)
