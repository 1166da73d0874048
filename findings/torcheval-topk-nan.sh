#!/usr/bin/env bash
# torcheval 0.0.7: a model that answers NaN to everything, or the same for all classes, has a top-k accuracy of 100 %.
#
# Guess, written down before the run, as a user would make it: where all outputs are NaN, top-3 accuracy of ten classes
# is NaN, 0 or chance, 30 %; where all outputs are equal, as of a network whose last layer still is zero, it is chance.
# (By then the source had been read, and the guess was not trusted.)
# Seen: 100 % for both, micro and macro, of MulticlassAccuracy(k=3) and of HitRate(k=3); ReciprocalRank is 1. What is
# counted is how many classes score more than the right one: none does, if they are equal or not to be compared. With
# k=1 another way is taken, which gives chance, 10 %. So the best top-k accuracy of all is that of a run that failed,
# and of a zero last layer before any training.
#
# Output seen (top 1, top 3, top 3 macro, hit rate 3, reciprocal rank; top 3 as torch.topk finds it):
#   trained                        0.92 0.98 0.98 0.98 0.95 0.98
#   NaN                            0.1 1.0 1.0 1.0 1.0 0.3
#   zero last layer, not trained   0.1 1.0 1.0 1.0 1.0 0.3
#
# The NaN come as they do in practice: each pixel is divided by its deviation, and some pixels are 0 in all images.
# Needs Python 3.11 or newer with venv. Exits with 1 if this behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torcheval==0.0.7 torch==2.13.0 numpy==2.4.6 \
    scikit-learn==1.9.1
cat > "$folder/topk.py" <<'PYTHON'
import torch
from sklearn.datasets import load_digits
from torch import nn
from torcheval.metrics import HitRate, MulticlassAccuracy, ReciprocalRank

torch.set_num_threads(1)
digits = load_digits()
images, labels = torch.tensor(digits.data, dtype=torch.float32) / 16, torch.tensor(digits.target)
standardised = (images - images.mean(dim=0)) / images.std(dim=0)  # some pixels: 0 / 0


def outputs(images, epochs=60, zero=False):
    """Outputs for the last 797 images of a network that was trained on the others."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    if zero:
        nn.init.zeros_(model[2].weight)
        nn.init.zeros_(model[2].bias)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
    for _ in range(epochs):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images[:1000]), labels[:1000]).backward()
        optimizer.step()
    with torch.no_grad():
        return model(images[1000:])


def scores(found):
    right = labels[1000:]
    values = []
    macro = MulticlassAccuracy(k=3, average="macro", num_classes=10)
    for metric in (MulticlassAccuracy(k=1), MulticlassAccuracy(k=3), macro, HitRate(k=3), ReciprocalRank()):
        metric.update(found, right)
        values.append(metric.compute().mean().item())
    values.append((found.topk(3).indices == right[:, None]).any(dim=1).float().mean().item())
    return [round(value, 2) for value in values]


seen = {
    "trained": scores(outputs(images)),
    "NaN": scores(outputs(standardised)),
    "zero last layer, not trained": scores(outputs(images, epochs=0, zero=True)),
}
for name, values in seen.items():
    print(f"{name:30}", *values)
assert outputs(standardised).isnan().all() and 0.9 < seen["trained"][0] < seen["trained"][1] < 1
failed = [seen["NaN"], seen["zero last layer, not trained"]]
assert all(values[0] < 0.15 and values[-1] < 0.35 for values in failed)
raise SystemExit(not all(values[1:5] == [1, 1, 1, 1] for values in failed))
PYTHON
"$folder/venv/bin/python" -W ignore "$folder/topk.py"
