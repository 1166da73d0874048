#!/usr/bin/env bash
# oxonfair 0.3: directed bias amplification is above 0 for a model that reduces the bias, and below 0 for the shortcut.
#
# OxonFair measures and enforces fairness by groups. directed_bias_amplification is after a paper of Wang and
# Russakovsky: in each group the share of positive predictions is compared with that of positive labels; above 0, the
# model strengthens what the labels tend to (waterbirds on water), below 0 it weakens it. In the package less is better.
# Guess, written down before the run, as a user would make it: the mean over groups is the number of the formula; it is
# above 0 for a model that names the class by the background, below 0 for one that goes against it, and does not change
# if the whole model predicts a class too often in all groups alike. (By then the source had been read, and the guess
# was not trusted.)
# Seen: the sign is turned round, as false positives are taken off false negatives: of three models the one that sees
# nothing but the background has the lowest number, and so is the best. And to which side the labels of a group tend is
# found with the share of positive predictions in place of that of positive labels, as two of the eight counts come in
# another order than they are named: a group whose share of labels lies between both is taken to tend the other way.
#
# Output seen:
#   images on water and on land              oxonfair  by the formula  accuracy
#   70 and 30 waterbirds, found 70 and 30        0.00            0.00      1.00
#   70 and 30 waterbirds, found 80 and 20       -0.10            0.10      0.90
#   70 and 30 waterbirds, found 60 and 40        0.10           -0.10      0.90
#   50 and 30 waterbirds, found 70 and 50        0.20            0.00      0.80
#   odd or even, digits without their ground     0.17           -0.17      0.73
#   odd or even, digits with their ground       -0.06            0.06      0.82
#   odd or even, ground alone                   -0.20            0.20      0.80
#   less is better: True
#
# Needs Python 3.11 or newer with venv. Exits with 1 if this behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check oxonfair==0.3 numpy==2.4.6 pandas==3.1.1 \
    scipy==1.17.1 scikit-learn==1.9.1
cat > "$folder/amplification.py" <<'PYTHON'
import numpy as np
from oxonfair import group_metrics
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

MEASURE = group_metrics.directed_bias_amplification


def by_formula(labels, found, grounds):
    """Mean over groups: shares of predictions less shares of labels, towards the side to which the labels tend."""
    gaps = []
    for ground in np.unique(grounds):
        inside = grounds == ground
        side = 1 if labels[inside].mean() > labels.mean() else -1
        gaps.append(side * (found[inside].mean() - labels[inside].mean()))
    return round(float(np.mean(gaps)), 9) + 0.0


def birds(on_water, on_land, found_on_water, found_on_land):
    """Numbers of waterbirds, and of those called so, among 100 images on water and 100 on land."""
    labels, found = (
        np.concatenate([np.arange(100) < number for number in numbers]).astype(int)
        for numbers in ((on_water, on_land), (found_on_water, found_on_land))
    )
    return labels, found, np.repeat(["water", "land"], 100)


cases = {
    "70 and 30 waterbirds, found 70 and 30": birds(70, 30, 70, 30),
    "70 and 30 waterbirds, found 80 and 20": birds(70, 30, 80, 20),
    "70 and 30 waterbirds, found 60 and 40": birds(70, 30, 60, 40),
    "50 and 30 waterbirds, found 70 and 50": birds(50, 30, 70, 50),
}
rng = np.random.default_rng(0)
images, digits = load_digits(return_X_y=True)
images = images + rng.normal(0, 10, images.shape)
odd, train, test = digits % 2, slice(0, 900), slice(900, None)
bright = np.where(rng.random(len(odd)) < 0.8, odd, 1 - odd)  # 8 of 10 odd digits have a bright ground
for name, inputs in {
    "digits without their ground": images,
    "digits with their ground": np.column_stack([images, 20 * bright]),
    "ground alone": bright[:, None],
}.items():
    found = LogisticRegression(max_iter=2000).fit(inputs[train], odd[train]).predict(inputs[test])
    cases[f"odd or even, {name}"] = odd[test], found, np.where(bright[test] == 1, "bright", "dark")

print("images on water and on land              oxonfair  by the formula  accuracy")
seen = {}
for name, (labels, found, grounds) in cases.items():
    value = float(np.squeeze(MEASURE.average(labels, found, grounds)))
    seen[name] = value, by_formula(labels, found, grounds)
    print(f"{name:40} {seen[name][0]:8.2f} {seen[name][1]:15.2f} {(labels == found).mean():9.2f}")
print("less is better:", not MEASURE.greater_is_better)
right, more, less, often, none, some, alone = seen.values()
same = [
    right == (0, 0),
    np.allclose(more, (-0.1, 0.1)) and np.allclose(less, (0.1, -0.1)),
    np.allclose(often, (0.2, 0)),
    alone[0] < some[0] < none[0] and alone[1] > some[1] > none[1],
    not MEASURE.greater_is_better,
]
raise SystemExit(not all(same))
PYTHON
OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore "$folder/amplification.py"
