#!/usr/bin/env bash
# oodkit 0.1.1: AUROC of a detector goes from 0.43 to 0.96 with the order of the samples, and a constant one has 0.
#
# oodkit detects images out of distribution, and measures detectors by AUROC ("0.5 = random, 1.0 = perfect"), FPR at 95
# % TPR and others.
# Guess, written down before the run, as a user would make it: a detector that gives all images the same score has an
# AUROC of 0.5; AUROC is that of scikit-learn; and no measure changes if the samples, scores and labels together, are
# put in another order. (By then the source had been read, and the guess was not trusted.)
# Seen: where scores are equal, samples are ranked by their place in the array. In the order that ood_labels_from_counts
# makes, known images first, a constant detector has an AUROC of 0; in the other order it is perfect by all measures but
# one. Scores that take few values are hit as badly: by how many of five models object, the same detector on the same
# images has 0.43 or 0.96, and scikit-learn says 0.70. Scores that are all distinct are measured well. (That the other
# measures move along with AUROC was met while looking.)
#
# Output seen (digits 0 to 4 are known, 5 to 9 are not):
#   score                        order             auroc    fpr95 aupr_ood  aupr_id  det_err  auroc of scikit-learn
#   always the same score        known first       0.000    1.000    0.305    1.000    0.500      0.500
#   always the same score        unknown first     1.000    0.000    1.000    0.309    0.000      0.500
#   always the same score        shuffled          0.493    0.964    0.504    0.499    0.487      0.500
#   share of five models against known first       0.429    1.000    0.610    0.976    0.308      0.695
#   share of five models against unknown first     0.961    0.062    0.938    0.425    0.031      0.695
#   share of five models against shuffled          0.685    0.952    0.745    0.623    0.303      0.695
#   1 - largest probability      known first       0.927    0.265    0.909    0.942    0.136      0.927
#   1 - largest probability      unknown first     0.927    0.265    0.909    0.942    0.136      0.927
#   1 - largest probability      shuffled          0.927    0.265    0.909    0.942    0.136      0.927
#
# Needs Python 3.11 or newer with venv. Exits with 1 if this behaviour has changed. (oodkit is installed without what it
# names as needed, such as torch: scores and measures only take numpy, scipy, scikit-learn and matplotlib.)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1 \
    matplotlib==3.11.2
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps oodkit==0.1.1
cat > "$folder/order.py" <<'PYTHON'
import numpy as np
from oodkit.data.features import Features
from oodkit.detectors.msp import MSP
from oodkit.evaluation.combine import ood_labels_from_counts
from oodkit.evaluation.metrics import evaluate
from oodkit.evaluation.score_bank import ScoreBank
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

NAMES = ("auroc", "fpr95", "aupr_ood", "aupr_id", "det_err")
images, digits = load_digits(return_X_y=True)
known = digits < 5
shown = np.concatenate([images[known][400:], images[~known][400:]])
labels = ood_labels_from_counts(int(known.sum()) - 400, int((~known).sum()) - 400)
models = []
for seed in range(5):
    drawn = np.random.default_rng(seed).choice(400, 200)
    models.append(LogisticRegression(max_iter=300).fit(images[known][drawn], digits[known][drawn]))
orders = {
    "known first": np.arange(len(labels)),
    "unknown first": np.argsort(-labels, kind="stable"),
    "shuffled": np.random.default_rng(0).permutation(len(labels)),
}


def measured(scores):
    """All measures, for each order of the same samples."""
    found = {}
    for name, order in orders.items():
        bank = ScoreBank(ood_labels=labels[order]).add("it", scores[order])
        found[name] = [float(evaluate(bank)["it"][each]) for each in NAMES]
    return found


votes = np.array([each.predict(shown) for each in models])
against = 1 - np.array([np.bincount(column).max() for column in votes.T]) / len(models)
unsure = MSP().score(Features(logits=models[0].decision_function(shown) / 20))
seen = {
    "always the same score": (np.zeros(len(labels)), 0.5),
    "share of five models against": (against, roc_auc_score(labels, against)),
    "1 - largest probability": (unsure, roc_auc_score(labels, unsure)),
}
print(f"{'score':28} {'order':14}", *(f"{each:>8}" for each in NAMES), " auroc of scikit-learn")
rows = {}
for name, (scores, right) in seen.items():
    rows[name] = measured(scores)
    for order, values in rows[name].items():
        print(f"{name:28} {order:14}", *(f"{value:8.3f}" for value in values), f"{right:10.3f}")
constant, counted, distinct = ([row[0] for row in rows[name].values()] for name in seen)
right = seen["share of five models against"][1]
same = [
    constant[:2] == [0, 1],
    counted[0] < right - 0.05 and counted[1] > right + 0.05,
    np.allclose(distinct, seen["1 - largest probability"][1], atol=1e-3),
]
raise SystemExit(not all(same))
PYTHON
OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore "$folder/order.py"
