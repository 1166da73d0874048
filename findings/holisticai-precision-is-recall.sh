#!/usr/bin/env bash
# holisticai 1.0.14: precision by group and class is recall, recall is precision, and accuracy is intersection over union.
#
# holisticai has metrics of classifiers by group: for each group and class, precision_matrix, recall_matrix and
# accuracy_matrix ("the accuracy of predictions on that group for the one vs all classifier of that class").
# Guess, written down before the run, as a user would make it: they are precision, recall and accuracy as scikit-learn
# finds them, class by class, on the images of each group. (By then the source had been read, and the guess was not
# trusted.)
# Seen: the first is recall, the second is precision, in all groups and classes. The confusion matrix has predictions in
# its rows, and is summed as if it had labels there. The third is intersection over union, the Jaccard score. The examples
# in the documentation show the same exchanged numbers. So of a classifier that overlooks nine of ten ones among the noisy
# images, but is right in most cases where it says "1", it is told that it finds most ones, and that one in ten of what it
# calls a one is one. And where nine of ten decisions are right, an accuracy of 0.1 is told.
#
# Output seen (class 1 of ten digits):
#   group  measure    holisticai  scikit-learn
#   clean  precision        0.80          0.93
#   clean  recall           0.93          0.80
#   clean  accuracy         0.75          0.97
#   noisy  precision        0.10          0.78
#   noisy  recall           0.78          0.10
#   noisy  accuracy         0.09          0.91
#   both groups, ten classes: precision is recall True, recall is precision True, accuracy is Jaccard True
#
# Needs Python 3.11 or newer with venv. Exits with 1 if this behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check holisticai==1.0.14 numpy==2.4.6 pandas==3.1.1 \
    scikit-learn==1.9.1
cat > "$folder/groups.py" <<'PYTHON'
import numpy as np
from holisticai.bias.metrics import accuracy_matrix, precision_matrix, recall_matrix
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, jaccard_score, precision_score, recall_score

images, labels = load_digits(return_X_y=True)
rng = np.random.default_rng(0)
model = LogisticRegression(max_iter=500).fit(images[:300], labels[:300])
images, labels = images[300:], labels[300:]
groups = np.array(["clean", "noisy"])[rng.integers(0, 2, len(images))]
noise = rng.exponential(6, images.shape) * (groups == "noisy")[:, None]
found = model.predict(images + noise)
classes = range(10)


def one_by_one(score, right, found):
    """Score of each class against the rest."""
    return np.array([score(right == each, found == each) for each in classes])


measures = {
    "precision": (precision_matrix, precision_score, recall_score),
    "recall": (recall_matrix, recall_score, precision_score),
    "accuracy": (accuracy_matrix, accuracy_score, jaccard_score),
}
tables = {name: measure[0](groups, found, labels) for name, measure in measures.items()}
differs, same = [], {name: True for name in measures}
print("group  measure    holisticai  scikit-learn")
for group in ("clean", "noisy"):
    right, guessed = labels[groups == group], found[groups == group]
    for name, (_, named, other) in measures.items():
        seen = tables[name].loc[group, list(classes)].to_numpy()
        wanted = one_by_one(named, right, guessed)
        print(f"{group}  {name:10} {seen[1]:10.2f} {wanted[1]:13.2f}")
        differs.append(not np.allclose(seen, wanted))
        same[name] &= np.allclose(seen, one_by_one(other, right, guessed))
print(
    f"both groups, ten classes: precision is recall {same['precision']}, recall is precision {same['recall']},"
    f" accuracy is Jaccard {same['accuracy']}"
)
raise SystemExit(not (all(differs) and all(same.values())))
PYTHON
OMP_NUM_THREADS=1 "$folder/venv/bin/python" "$folder/groups.py"
