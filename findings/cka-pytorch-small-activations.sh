#!/usr/bin/env bash
# cka-pytorch 1.1.3: the similarity of a layer with itself goes from 1 to 0 with the scale of its activations.
#
# cka-pytorch compares layers of networks by centered kernel alignment (CKA). It is 1 for a layer and itself, and does
# not change if activations are multiplied by a number. Its text gives the formula, HSIC of both layers by the root of
# the product of the HSIC of each with itself, and says of epsilon, 0.0001 unless given, that it is small and prevents
# a division by zero.
# Guess, written down before the run, as a user would make it: the diagonal of a network with itself is 1.00, whatever
# the scale of its input. (By then the source had been read, and the guess was not trusted.)
# Seen: epsilon is added to the product of both HSIC under the root, which goes with the eighth power of the scale
# of the activations, and with small ones it is far below epsilon. So the logits of an untrained network have next to no
# similarity with themselves, and those of a trained one, which are larger, have 1: training seems to make what the
# scale makes. With the same images in values up to 0.1 and not up to 1, no layer is similar to itself.
#
# Output seen:
#   similarity with itself of          input     fc1     fc2  logits
#   untrained, images up to 1          1.000   1.000   0.789   0.002
#     by the formula                   1.000   1.000   1.000   1.000
#     with epsilon=0                   1.000   1.000   1.000   1.000
#   untrained, images up to 0.1        0.072   0.009   0.000   0.000
#     by the formula                   1.000   1.000   1.000   1.000
#   trained, images up to 1            1.000   1.000   1.000   1.000
#
# Way round: epsilon=0 in calculate_cka_matrix.
# Needs Python 3.11 or newer with venv, and some minutes. Exits with 1 if this behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-compile cka-pytorch==1.1.3 torch==2.14.1 \
    torchvision==0.29.1 torchmetrics==1.9.0 lightning==2.6.6 matplotlib==3.11.2 seaborn==0.13.2 \
    numpy==2.4.6 scikit-learn==1.9.1
cat > "$folder/scale.py" <<'PYTHON'
import numpy as np
import torch
from cka_pytorch.cka import CKACalculator
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)
torch.manual_seed(0)
images, digits = load_digits(return_X_y=True)
images, digits = torch.tensor(images[:1024] / 16, dtype=torch.float32), torch.tensor(digits[:1024])
network = nn.Sequential()
for name, layer in {
    "input": nn.Identity(),
    "fc1": nn.Linear(64, 64),
    "relu1": nn.ReLU(),
    "fc2": nn.Linear(64, 64),
    "relu2": nn.ReLU(),
    "logits": nn.Linear(64, 10),
}.items():
    network.add_module(name, layer)
LAYERS = ["input", "fc1", "fc2", "logits"]


class Model(nn.Module):
    """A network for images of another scale."""

    def __init__(self, scale):
        super().__init__()
        self.scale, self.network = scale, network

    def forward(self, x):
        return self.network(x * self.scale)


def by_package(scale, **settings):
    model = Model(scale)
    loader = DataLoader(TensorDataset(images, digits), batch_size=256)
    names = [f"network.{layer}" for layer in LAYERS]
    calculator = CKACalculator(model, model, names, names, verbose=False)
    return calculator.calculate_cka_matrix(loader, num_epochs=1, **settings).diagonal().numpy()


def hsic(one, two):
    """Unbiased, of two matrices of inner products, after Song and others (2012)."""
    n = len(one)
    one, two = one - np.diag(np.diag(one)), two - np.diag(np.diag(two))
    middle = one.sum() * two.sum() / ((n - 1) * (n - 2))
    return (np.trace(one @ two) + middle - 2 * (one @ two).sum() / (n - 2)) / (n * (n - 3))


def by_formula(scale):
    found = []
    for end in (1, 2, 4, 6):
        total = np.zeros(3)
        for batch in images.split(256):
            with torch.no_grad():
                x = network[:end](batch * scale).numpy().astype(float)
            total += hsic(x @ x.T, x @ x.T)
        found.append(total[0] / np.sqrt(total[1] * total[2]))
    return np.array(found)


print("similarity with itself of       " + "".join(f"{layer:>8}" for layer in LAYERS))


def row(name, values):
    print(f"{name:32}" + "".join(f"{value:8.3f}" for value in values))
    return np.asarray(values)


untrained = row("untrained, images up to 1", by_package(1))
formula = row("  by the formula", by_formula(1))
without = row("  with epsilon=0", by_package(1, epsilon=0))
small = row("untrained, images up to 0.1", by_package(0.1))
small_formula = row("  by the formula", by_formula(0.1))
optimizer = torch.optim.Adam(network.parameters(), 0.003)
for _ in range(100):
    optimizer.zero_grad()
    nn.functional.cross_entropy(network(images), digits).backward()
    optimizer.step()
trained = row("trained, images up to 1", by_package(1))
same = [
    np.allclose(formula, 1) and np.allclose(small_formula, 1),
    untrained[3] < 0.3 and untrained[0] > 0.99,
    np.allclose(without, 1, atol=1e-3),
    max(small[1:]) < 0.1,
    min(trained) > 0.99,
]
raise SystemExit(not all(same))
PYTHON
OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore "$folder/scale.py"
