#!/usr/bin/env bash
# ceval 1.1.1: the diversity of two counterfactuals does not depend on how far apart they are, and ten have none.
#
# CEval evaluates counterfactual explanations by 14 measures, among them diversity ("determinant-based spread of the CF
# set"), redundancy ("average number of unnecessary feature changes") and validity.
# Guess, written down before the run, as a user would make it: counterfactuals further apart have more diversity; what
# the classes are called (0 and 1, or 1 and 2) and what index the samples have changes neither redundancy nor validity,
# which is 1 if each counterfactual is in the other class. (By then the source had been read, and the guess was not
# trusted.)
# Seen: diversity is the determinant of the Gower distances within each sample's set, and these are scaled by the range
# within that set: two counterfactuals that differ in one of four features have 1/16, be it by 0.001 or by 100. As such
# determinants shrink with the number of rows, ten that differ widely have 0.000. Redundancy compares the position of
# the largest probability with the class: with classes 1 and 2 nothing is ever redundant. In the mode "1toN", the column
# "instance", "the index of the source sample", is taken as its position: with the index that train_test_split leaves,
# all counterfactuals are passed over, and validity is 0, as is proximity, "no change at all".
#
# Output seen (five samples, 300 rows to compare with, logistic regression):
#                                            validity  proximity  redundancy  diversity
#   2 a sample, 0.001 apart                     1.000      1.922       0.000      0.063
#   2 a sample, 1 apart                         1.000      2.421       0.000      0.062
#   2 a sample, 100 apart                       1.000     51.921       0.000      0.062
#   10 a sample, 1 apart, c and d at random     1.000      6.614       2.000      0.000
#   2, c and d changed, too, classes 0, 1       1.000      2.841       2.000      0.062
#   the same, classes 1, 2                      1.000      2.841       0.000      0.062
#   the same, classes 0, 1, by index            0.000      0.000         nan      0.000
#
# Needs Python 3.11 or newer with venv. Exits with 1 if this behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ceval==1.1.1 gower==0.1.2 category-encoders==2.11.2 \
    statsmodels==0.15.0 numpy==2.4.6 pandas==3.1.1 scipy==1.17.1 scikit-learn==1.9.1
cat > "$folder/sets.py" <<'PYTHON'
import contextlib
import io

import numpy as np
import pandas as pd
from ceval import CEval
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

rng = np.random.default_rng(0)
features = list("abcd")
data = pd.DataFrame(rng.normal(size=(400, 4)), columns=features)
data["label"] = (data.a + data.b > 0).astype(int)
train, test = train_test_split(data, test_size=0.25, random_state=0)
samples = test[test.label == 0].iloc[:5]
MEASURES = ["validity", "proximity", "redundancy", "diversity"]


def counterfactuals(number, step, more=0, random=0):
    """So many for each sample, a step apart in a; c and d, which the class does not need, moved, too."""
    rows = []
    for place, (_, sample) in enumerate(samples.iterrows()):
        for count in range(number):
            row = {"a": 1 - sample.b + count * step, "b": sample.b, "label": 1, "instance": place}
            rows.append(row | {name: sample[name] + more + random * rng.normal() for name in "cd"})
    return pd.DataFrame(rows)


def evaluated(found, names=(0, 1), by_index=False):
    """The measures of CEval, with these names of the classes; by_index: samples as train_test_split gives them."""
    background, explained, found = (
        table.assign(label=table.label.map(lambda label: names[int(label)])) for table in (train, samples, found)
    )
    if by_index:
        found = found.assign(instance=explained.index[found.instance])
    else:
        explained = explained.reset_index(drop=True)
    model = LogisticRegression().fit(background[features].values, background.label)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = CEval(samples=explained, label="label", data=background, model=model)
        evaluation.add_explainer("ours", found, "generated-cf", "1toN")
    return [float(evaluation.comparison_table.loc["ours", name]) for name in MEASURES]


seen = {
    "2 a sample, 0.001 apart": evaluated(counterfactuals(2, 0.001)),
    "2 a sample, 1 apart": evaluated(counterfactuals(2, 1)),
    "2 a sample, 100 apart": evaluated(counterfactuals(2, 100)),
    "10 a sample, 1 apart, c and d at random": evaluated(counterfactuals(10, 1, random=1)),
    "2, c and d changed, too, classes 0, 1": evaluated(counterfactuals(2, 1, 1)),
    "the same, classes 1, 2": evaluated(counterfactuals(2, 1, 1), (1, 2)),
    "the same, classes 0, 1, by index": evaluated(counterfactuals(2, 1, 1), by_index=True),
}
print(f"{'':39}" + "".join(f"  {name}" for name in MEASURES))
for name, values in seen.items():
    print(f"{name:39}" + "".join(f"  {value:{len(each)}.3f}" for value, each in zip(values, MEASURES)))
diversity = [values[3] for values in seen.values()]
zero, one, by_index = list(seen.values())[4:]
same = [
    all(abs(value - 1 / 16) < 1e-3 for value in diversity[:3]) and diversity[3] < 0.01,
    zero[2] == 2 and one[2] == 0 and zero[0] == one[0] == 1,
    by_index[0] == 0 and by_index[1] == 0,
]
raise SystemExit(not all(same))
PYTHON
OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore "$folder/sets.py"
