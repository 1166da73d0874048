#!/usr/bin/env bash
# fairmedfm 0.4.2: a perfect classifier gets an accuracy of 0.50, and one that is worse for a group no gap at all.
#
# fairmedfm gives accuracies and gaps between groups "at the threshold with the best overall F1", by its text as in the
# paper of that name: eo is the gap in the true positive rate, eod 1 less the mean gap of both rates (1 is fair).
# Guess, written down before the run, as a user would make it: a model that says 1 for all positives and 0 for all
# negatives has overall-acc 1 and a true positive rate of 1; and the F1 from the counts "@best_f1" is the best one of
# all thresholds, for coarse scores, too. (By then the source had been read, and the guess was not trusted.)
# Seen: the threshold is one of the scores, found by a curve in which a score at the threshold counts as positive; in
# the metrics only a score above it does. So whatever lies on the best threshold changes sides. For continuous scores
# that is one image. If the scores are the predictions themselves, 0 or 1, it is all of them: nothing is positive, F1 is
# 0, and a model whose true positive rate is 0.19 lower in one group is said to be perfectly fair. With votes of three
# networks it is all images that the best threshold just lets in: the gap is three times what it is there.
#
# Output seen (2000 images, half of them positive; two groups; by hand: the same threshold, "at least" for "above"):
#                             F1                 accuracy           TPR gap            eod
#                             reported  best     reported  by hand  reported  by hand  reported  by hand
#   perfect, 0 or 1           0.00      1.00     0.50      1.00     0.00      0.00     1.00      1.00
#   predictions, 0 or 1       0.00      0.86     0.50      0.85     0.00      0.19     1.00      0.90
#   a vote of three networks  0.81      0.93     0.84      0.93     0.38      0.12     0.81      0.93
#   their mean, continuous    0.96      0.96     0.96      0.96     0.10      0.10     0.94      0.94
#
# Needs Python 3.11 or newer with venv. Exits with 1 if this behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check fairmedfm==0.4.2 numpy==2.4.6 pandas==3.1.1 \
    scipy==1.17.1 scikit-learn==1.9.1
cat > "$folder/threshold.py" <<'PYTHON'
import numpy as np
from fairmedfm import evaluate
from sklearn.metrics import f1_score

rng = np.random.default_rng(0)
label = np.repeat([0, 1], 1000)
group = rng.choice(["land", "water"], len(label))
evidence = np.where(label == 1, np.where(group == "land", 1.6, 0.8), -1.0)
networks = evidence[:, None] + rng.normal(0, 1, (len(label), 3))  # three networks' logits
scores = {
    "perfect, 0 or 1": label.astype(float),
    "predictions, 0 or 1": (networks[:, 0] > 0).astype(float),
    "a vote of three networks": (networks > 0).mean(axis=1),
    "their mean, continuous": 1 / (1 + np.exp(-networks.mean(axis=1))),
}


def gap(positive, truth):
    """Difference of the groups in the share that is called positive, among those with this label."""
    shares = [positive[(group == name) & (label == truth)].mean() for name in ("land", "water")]
    return abs(shares[0] - shares[1])


seen = {}
print(f"{'':24}" + "".join(f"  {name:17}" for name in ("F1", "accuracy", "TPR gap", "eod")).rstrip())
print(f"{'':24}" + "  reported  best   " + "  reported  by hand" * 3)
for name, score in scores.items():
    report = evaluate(label, score, group)
    hits, false, missed = (int(report.overall[key + "@best_f1"]) for key in ("tp", "fp", "fn"))
    row = report.summary.iloc[0]
    best, threshold = max((f1_score(label, score >= each), each) for each in np.unique(score))
    positive = score >= threshold
    seen[name] = {
        "f1": (2 * hits / (2 * hits + false + missed), best),
        "accuracy": (row["overall-acc"], (positive == label).mean()),
        "gap": (row["eo"], gap(positive, 1)),
        "eod": (row["eod"], 1 - (gap(positive, 1) + gap(positive, 0)) / 2),
    }
    print(f"{name:24}" + "".join(f"  {first:<8.2f}  {second:<7.2f}" for first, second in seen[name].values()).rstrip())
perfect, hard, vote, smooth = seen.values()
same = [
    all(row["f1"][0] == 0 and row["gap"][0] == 0 and row["eod"][0] == 1 for row in (perfect, hard)),
    perfect["accuracy"] == (0.5, 1),
    hard["f1"][1] > 0.8 and hard["gap"][1] > 0.1,
    vote["f1"][0] < vote["f1"][1] - 0.1 and abs(vote["gap"][0] - vote["gap"][1]) > 0.1,
    all(abs(first - second) < 0.01 for first, second in smooth.values()),
]
raise SystemExit(not all(same))
PYTHON
OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore "$folder/threshold.py"
