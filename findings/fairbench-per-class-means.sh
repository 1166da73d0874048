#!/usr/bin/env bash
# fairbench 0.9.6: means over classes, such as balanced accuracy, leave out half of the classes.
#
# FairBench measures classifiers by group. For several classes it has the arithmetic mean of recalls over classes (amtpr,
# also amacc), of precisions (amppv), and the geometric means of both (gmtpr, gmppv).
# Guess, written down before the run, as a user would make it: amtpr is the balanced accuracy of scikit-learn, amppv its
# macro precision, and how classes are numbered does not matter. (By then the source had been read, and the guess was not
# trusted.)
# Seen: of ten digits, 0 to 9, the mean is that of the five even ones. Labels and predictions are added where the union of
# both is meant: classes 0, 1, 2, ... become 0, 2, 4, ..., and those above 9 have no images and are left out. Of two
# classes it is class 0 alone: in a data set like Waterbirds a model that takes half of the birds of class 1 for class 0
# has a mean recall of 1. If other numbers are given to the same classes, the score changes. If the model names one class
# only, say 3, the mean is that of the classes 3 to 9, that is 1/7. (That last one, and that a model which never
# names one of ten classes ends in a ValueError about shapes, were met while looking.) Groups are compared by these
# numbers.
# Met, too, with a guess before the run: gmi, "the geometric mean of tpr and tnr - accounts for class imbalance", is that
# of precision and recall.
#
# Output seen:
#   ten digits                     mean recall 0.97, precision 0.77; scikit-learn 0.77, 0.82
#   the same, numbers turned round mean recall 0.57, precision 0.88; scikit-learn 0.77, 0.82
#   two classes                    mean recall 1.00, precision 0.95; scikit-learn 0.77, 0.98
#   ten digits, always 3           mean recall 0.14, precision 0.10; scikit-learn 0.10, 0.01
#   recall of even digits 0.97  of odd ones 0.57
#   tpr 0.90  tnr 0.91  precision 0.17  gmi 0.39
#
# Needs Python 3.11 or newer with venv. Exits with 1 if this behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check fairbench==0.9.6 numpy==2.4.6 scikit-learn==1.9.1
cat > "$folder/means.py" <<'PYTHON'
import fairbench as fb
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, precision_score, recall_score

images, labels = load_digits(return_X_y=True)
rng = np.random.default_rng(0)
train, test = slice(0, 1000), slice(1000, None)
kept = (labels[train] % 2 == 0) | (rng.random(1000) < 0.03)  # hardly any odd digits to learn from
model = LogisticRegression(max_iter=500).fit(images[train][kept], labels[train][kept])
right, found = labels[test], model.predict(images[test])
halves = np.where(right == 1, rng.integers(0, 2, len(right)), 0)  # half of the ones are recognised as such


def score(name, found, right):
    return float(getattr(fb.measures, name)(multipredictions=found.tolist(), multilabels=right.tolist()).value)


cases = {
    "ten digits": (found, right),
    "the same, numbers turned round": (9 - found, 9 - right),
    "two classes": (halves, (right == 1).astype(int)),
    "ten digits, always 3": (np.full(len(right), 3), right),
}
seen = {}
for name, (guessed, labelled) in cases.items():
    wanted = balanced_accuracy_score(labelled, guessed), precision_score(
        labelled, guessed, average="macro", zero_division=0
    )
    seen[name] = [score(measure, guessed, labelled) for measure in ("amtpr", "amppv")] + list(wanted)
    print(
        f"{name:30} mean recall {seen[name][0]:.2f}, precision {seen[name][1]:.2f};"
        f" scikit-learn {wanted[0]:.2f}, {wanted[1]:.2f}"
    )
recalls = recall_score(right, found, average=None)
assert len(set(found)) == 10
print("recall of even digits", round(recalls[::2].mean(), 2), " of odd ones", round(recalls[1::2].mean(), 2))

rare = (np.arange(2000) % 50 == 0).astype(int)
flipped = rare ^ (np.arange(2000) % 11 == 0)  # one in eleven is wrong in both classes
gmi = float(fb.measures.gmi(predictions=flipped.tolist(), labels=rare.tolist()).value)
tpr, tnr = recall_score(rare, flipped), recall_score(rare, flipped, pos_label=0)
ppv = precision_score(rare, flipped)
print(f"tpr {tpr:.2f}  tnr {tnr:.2f}  precision {ppv:.2f}  gmi {gmi:.2f}")
same = [
    np.isclose(seen["ten digits"][0], recalls[::2].mean()),
    np.isclose(seen["the same, numbers turned round"][0], recalls[1::2].mean()),
    seen["ten digits"][0] - seen["ten digits"][2] > 0.15,
    seen["two classes"][0] == 1 and seen["two classes"][2] < 0.8,
    np.isclose(seen["ten digits, always 3"][0], 1 / 7),
    np.isclose(gmi, np.sqrt(ppv * tpr)) and gmi < 0.5 and np.sqrt(tpr * tnr) > 0.8,
]
raise SystemExit(not all(same))
PYTHON
OMP_NUM_THREADS=1 "$folder/venv/bin/python" "$folder/means.py"
