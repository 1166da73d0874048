#!/usr/bin/env bash
# saliencytools 0.35: the earth mover's distance of a heat map on the object and the same one on the background is 0.
#
# saliencytools compares saliency maps, as of GradCAM, SHAP or LIME, by 13 "image-native metrics" that "preserve spatial
# structure". The text of emd, the earth mover's distance, says that it is "particularly useful for comparing saliency
# maps with spatial distributions of importance".
# Guess, written down before the run, as a user would make it: the further a spot is moved over the image, the larger is
# emd, by about the number of pixels; a map and its pixels shuffled are apart; and a map with all pixels alike, as
# GradCAM gives it if ReLU leaves nothing, is at chance in auc_judd, 0.5 by its text. (By then the source had been read,
# and the guess was not trusted.)
# Seen: emd compares the histograms of the values, and no place enters: a spot in the other corner is 0 from the one on
# the object, and so is the shuffled map. Each histogram has the range of its own map, so that one hot pixel more, which
# squeezes all others into fewer bins, counts for much. Maps that look at the shortcut, or at nothing, cannot be told by
# emd from the right one. In auc_judd equal values count as won, where one half is meant: a map with all pixels alike is
# 0 from each reference, "perfect recovery", better than a spot that is 2 pixels aside, and coarse maps gain as well.
#
# Output seen:
#   map and                    emd  over the image
#   itself                    0.00             0.0
#   spot 2 pixels aside       0.02             2.0
#   spot 8 pixels aside       0.02             8.0
#   spot in the other corner  0.00            15.4
#   its pixels, shuffled      0.00            10.7
#   one hot pixel more       11.89             1.4
#   prediction           auc_judd  1 - AUROC of scikit-learn
#   the reference            0.00         0.00
#   spot 2 pixels aside      0.02         0.02
#   coarse, 4 x 4 cells      0.01         0.14
#   noise                    0.45         0.45
#   all pixels alike         0.00         0.50
#
# (The package imports torch, without using it or naming it in its requirements: a stand-in is put in its place.)
# Needs Python 3.11 or newer with venv. Exits with 1 if this behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check saliencytools==0.35 numpy==2.4.6 scipy==1.17.1 \
    scikit-image==0.26.0 scikit-learn==1.9.1
mkdir -p "$folder/torch/nn"
touch "$folder/torch/nn/__init__.py" "$folder/torch/nn/functional.py"
echo 'Tensor = type("Tensor", (), {})  # scipy asks whether arrays are of it' > "$folder/torch/__init__.py"
cat > "$folder/maps.py" <<'PYTHON'
import numpy as np
from saliencytools.maskcompare import auc_judd, emd
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import roc_auc_score

SIDE = 28
rng = np.random.default_rng(0)
rows, columns = np.mgrid[:SIDE, :SIDE]


def spot(row, column):
    """A round spot of relevance, as GradCAM shows it."""
    return np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 18)


def moved(first, second, parts=400):
    """Earth mover's distance over the image, in pixels: both maps cut into equal parts, matched at the least cost."""
    places = []
    for heat in (first, second):
        shares = np.cumsum(heat.ravel() / heat.sum())
        places.append(np.array(np.unravel_index(np.searchsorted(shares, (np.arange(parts) + 0.5) / parts), heat.shape)))
    cost = np.linalg.norm(places[0][:, :, None] - places[1][:, None], axis=0)
    return float(cost[linear_sum_assignment(cost)].mean())


heat = spot(8, 8)
hot = heat.copy()
hot[27, 27] = 3
others = {
    "itself": heat,
    "spot 2 pixels aside": spot(8, 10),
    "spot 8 pixels aside": spot(8, 16),
    "spot in the other corner": spot(19, 19),
    "its pixels, shuffled": rng.permutation(heat.ravel()).reshape(heat.shape),
    "one hot pixel more": hot,
}
print("map and                    emd  over the image")
seen = {}
for name, other in others.items():
    seen[name] = float(emd(heat, other)), moved(heat, other)
    print("{:24} {:5.2f} {:15.1f}".format(name, *seen[name]))

print("prediction           auc_judd  1 - AUROC of scikit-learn")
predictions = {
    "the reference": heat,
    "spot 2 pixels aside": spot(8, 10),
    "coarse, 4 x 4 cells": np.kron(heat.reshape(4, 7, 4, 7).mean(axis=(1, 3)) > 0.2, np.ones((7, 7))),
    "noise": rng.random(heat.shape),
    "all pixels alike": np.zeros(heat.shape),
}
judd = {}
for name, prediction in predictions.items():
    area = 1 - roc_auc_score((heat >= heat.mean()).ravel(), prediction.ravel())
    judd[name] = auc_judd(prediction, heat), float(area)
    print("{:20} {:8.2f} {:12.2f}".format(name, *judd[name]))
same = [
    all(seen[name][0] < 0.01 for name in ("spot in the other corner", "its pixels, shuffled")),
    seen["spot in the other corner"][1] > 15 and seen["one hot pixel more"][1] < 3,
    seen["one hot pixel more"][0] > 5,
    judd["all pixels alike"][0] == 0 and judd["all pixels alike"][1] == 0.5,
    judd["spot 2 pixels aside"][0] > 0 and judd["coarse, 4 x 4 cells"][0] < judd["coarse, 4 x 4 cells"][1] - 0.05,
]
raise SystemExit(not all(same))
PYTHON
PYTHONPATH="$folder" OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore "$folder/maps.py"
