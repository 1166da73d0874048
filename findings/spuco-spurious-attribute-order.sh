#!/usr/bin/env bash
# spuco 2.0.3: how well a model reads the spurious attribute is measured against labels in another order.
#
# SpuCo is a package of benchmarks of spurious correlations; its Evaluator takes a test set, which of its images are in
# each group (label, attribute), and a model.
# Guess, written down before the run, as a user would make it: `evaluate_spurious_attribute_prediction` gives 100 % for a
# model that reads the attribute alone, whatever the order of the test set. (By then the source had been read, and the
# guess was not trusted.)
# Seen: 100 % where the test set happens to be sorted by group; in any other order chance, 20 % of five attributes. The
# attributes are listed group by group, and the images are taken in the order of the test set. Accuracy by group, its
# average and its worst group are right in every order. So a model that has learnt the shortcut and nothing else looks
# as if it had not.
#
# Output seen (average accuracy, worst group, accuracy of the attribute):
#   sorted by group, model that reads the label        100.0 100.0 20.0
#   sorted by group, model that reads the attribute    20.0 0.0 100.0
#   by turns, model that reads the label               100.0 100.0 20.0
#   by turns, model that reads the attribute           20.0 0.0 20.0
#   shuffled, model that reads the label               100.0 100.0 20.2
#   shuffled, model that reads the attribute           20.0 0.0 20.8
#
# Needs Python 3.11 or newer with venv, and some minutes. Exits with 1 if this behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check spuco==2.0.3 torch==2.14.1 torchvision==0.29.1
cat > "$folder/attribute.py" <<'PYTHON'
import numpy as np
import torch
from spuco.evaluate import Evaluator
from torch import nn
from torch.utils.data import Dataset

N, CLASSES = 1000, 5


class Images(Dataset):
    """Images of two pixels, which show label and attribute."""

    def __init__(self, labels, attributes):
        self.labels, self.attributes = labels.tolist(), attributes.tolist()

    def __len__(self):
        return N

    def __getitem__(self, index):
        return torch.tensor([self.labels[index], self.attributes[index]], dtype=torch.float32), self.labels[index]


class Reader(nn.Module):
    """Scores the classes by one of the pixels."""

    def __init__(self, pixel):
        super().__init__()
        self.pixel = pixel

    def forward(self, images):
        return nn.functional.one_hot(images[:, self.pixel].long(), CLASSES).float()


def measured(order, pixel):
    labels, attributes = np.arange(N) % CLASSES, np.arange(N) // CLASSES % CLASSES
    images = Images(labels[order(labels, attributes)], attributes[order(labels, attributes)])
    groups = {}
    for index, key in enumerate(zip(images.labels, images.attributes)):
        groups.setdefault(key, []).append(index)
    weights = {key: len(members) / N for key, members in groups.items()}
    evaluator = Evaluator(
        testset=images, group_partition=groups, group_weights=weights, batch_size=N, model=Reader(pixel)
    )
    evaluator.evaluate()
    found = evaluator.average_accuracy, evaluator.worst_group_accuracy[1]
    return [round(float(each), 1) for each in (*found, evaluator.evaluate_spurious_attribute_prediction())]


orders = {
    "sorted by group": lambda labels, attributes: np.lexsort((attributes, labels)),
    "by turns": lambda labels, attributes: np.arange(N),
    "shuffled": lambda labels, attributes: np.random.default_rng(0).permutation(N),
}
seen = {}
for name, order in orders.items():
    for pixel, what in enumerate(("label", "attribute")):
        seen[name, what] = measured(order, pixel)
        print(f"{name}, model that reads the {what:12}", *seen[name, what])
reader = {name: seen[name, "attribute"] for name in orders}
assert all(found[:2] == [20.0, 0.0] for found in reader.values())
assert reader["sorted by group"][2] == 100
raise SystemExit(not (reader["by turns"][2] == 20 and 15 < reader["shuffled"][2] < 25))
PYTHON
"$folder/venv/bin/python" -W ignore "$folder/attribute.py" 2>/dev/null
