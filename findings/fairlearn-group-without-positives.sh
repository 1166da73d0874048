#!/usr/bin/env bash
# fairlearn 0.15.0: a group without positives has a true positive rate of 0, and makes a fair classifier wholly unfair.
#
# Guess, written down before the run, as a user would make it: where a group has no positives, its true positive rate is
# NaN, as 0 / 0 is, and is left out of the minimum and of the differences over groups; likewise the false positive rate
# of a group without negatives. (By then the source had been read, and the guess was not trusted.)
# (At first the groups were fifths, none of which lacked positives, so that nothing was tested; then the model saw five of
# the features, by which the difference without that group is 0.4.)
# Seen: both are 0, without a warning (scikit-learn's recall_score warns at least). That is the worst true positive rate
# there is, so the equal opportunity difference of a classifier that is right for about 95 % or more of each group is
# 1.0, as large as can be, because of a group in which it makes no mistake; without that group it is 0.05. And it is the
# best false positive rate there is, so a group without negatives passes for perfect. A group that small or pure is
# common where attributes are crossed.
#
# Output seen (breast cancer data, benign is 1; groups are tenths by mean radius):
#    images  benign  malignant  accuracy  true positive rate  false positive rate
#      58.0    58.0        0.0      0.98                0.98                 0.00
#      56.0    54.0        2.0      1.00                1.00                 0.00
#      57.0    53.0        4.0      0.98                1.00                 0.25
#      57.0    53.0        4.0      1.00                1.00                 0.00
#      57.0    50.0        7.0      0.98                1.00                 0.14
#      56.0    41.0       15.0      0.95                1.00                 0.20
#      57.0    37.0       20.0      0.95                0.95                 0.05
#      57.0    10.0       47.0      0.98                1.00                 0.02
#      58.0     1.0       57.0      0.98                1.00                 0.02
#      56.0     0.0       56.0      1.00                0.00                 0.00
#   lowest true positive rate 0.0
#   equal opportunity difference 1.0  equalized odds difference 1.0
#   equal opportunity difference of the groups with positives 0.05
#
# Needs Python 3.11 or newer with venv. Exits with 1 if this behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check fairlearn==0.15.0 numpy==2.4.6 pandas==3.1.1 \
    scikit-learn==1.9.1
cat > "$folder/groups.py" <<'PYTHON'
import warnings

import numpy as np
import pandas as pd
from fairlearn.metrics import (
    MetricFrame,
    count,
    equal_opportunity_difference,
    equalized_odds_difference,
    false_positive_rate,
    true_positive_rate,
)
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

images, benign = load_breast_cancer(return_X_y=True)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    found = cross_val_predict(model, images, benign, cv=5)
groups = pd.qcut(images[:, 0], 10, labels=False)
positives = {"benign": lambda right, found: int(right.sum()), "malignant": lambda right, found: int((1 - right).sum())}
metrics = {"true positive rate": true_positive_rate, "false positive rate": false_positive_rate}
with warnings.catch_warnings():
    warnings.simplefilter("error")  # none is given
    frame = MetricFrame(
        metrics={"images": count, **positives, "accuracy": accuracy_score, **metrics},
        y_true=benign,
        y_pred=found,
        sensitive_features=groups,
    )
    table = frame.by_group
    whole = [
        measure(benign, found, sensitive_features=groups)
        for measure in (equal_opportunity_difference, equalized_odds_difference)
    ]
    some = (table.benign > 0).reindex(groups).to_numpy()  # images of groups with positives
    without = equal_opportunity_difference(benign[some], found[some], sensitive_features=groups[some])
print(table.round(2).to_string(index=False))
print("lowest true positive rate", round(frame.group_min()["true positive rate"], 2))
print("equal opportunity difference", round(whole[0], 2), " equalized odds difference", round(whole[1], 2))
print("equal opportunity difference of the groups with positives", round(without, 2))
first, last = table.iloc[0], table.iloc[-1]
assert first.malignant == 0 and last.benign == 0 and last.accuracy == 1 and without < 0.2
raise SystemExit(not (first["false positive rate"] == last["true positive rate"] == 0 and whole == [1, 1]))
PYTHON
OMP_NUM_THREADS=1 "$folder/venv/bin/python" "$folder/groups.py"
