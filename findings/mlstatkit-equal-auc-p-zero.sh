#!/usr/bin/env bash
# mlstatkit 0.1.91: two models with the very same ranking, or both perfect, differ with p = 0 by DeLong's test.
#
# MLstatkit compares the AUC of two classifiers of the same samples by DeLong's test, with "automatic fallback to
# bootstrap when degeneracy is detected".
# Guess, written down before the run, as a user would make it: a model before and after temperature scaling, which
# changes no ranking, does not differ: z = 0 and p = 1, or NaN; nor do two models that both have an AUC of 1. (By then
# the source had been read, and the guess was not trusted.)
# Seen: z = 0 and p = 0, always. The difference has no variance, so the bootstrap is taken; in all of its samples the
# difference is 0, and p is twice the smaller one of P(difference <= 0), which is 1, and P(difference > 0), which is 0.
# So of all pairs of trainings that reach an AUC of 1, as they do on easy test sets, each one differs "significantly".
# (Models that rank otherwise are tested by the formula, and there all is well.)
#
# Output seen:
#   before and after temperature scaling: z 0.0, p 0.0, by bootstrap; p by permutation 1.0
#   digits 0 and 1, five training sets: AUC 1.0 1.0 1.0 1.0 1.0; pairs with p < 0.05: 10 of 10
#   equally good models that rank otherwise: p < 0.05 in 4.3% of 300 runs
#
# Needs Python 3.11 or newer with venv. Exits with 1 if this behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mlstatkit==0.1.91 numpy==2.4.6 scipy==1.17.1 \
    scikit-learn==1.9.1 tqdm==4.70.1
cat > "$folder/equal.py" <<'PYTHON'
import itertools

import numpy as np
from MLstatkit import Delong_test
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

LEVEL, RUNS = 0.05, 300


def tested(labels, first, second):
    """z, p and the way by which it was found."""
    found = Delong_test(labels, first, second, n_boot=200, random_state=0)
    return found[0], found[1], found[-1]["method"]


def by_signs(labels, first, second, draws=999):
    """p of a permutation test: ranks of the two models exchanged at random, sample by sample."""
    ranks = np.argsort(np.argsort([first, second], axis=1), axis=1)
    rng, apart = np.random.default_rng(0), []
    for number in range(draws + 1):
        swap = (rng.random(len(labels)) < 0.5) & (number > 0)
        one, other = np.where(swap, ranks[::-1], ranks)
        apart.append(abs(roc_auc_score(labels, one) - roc_auc_score(labels, other)))
    return float(np.mean(np.array(apart) >= apart[0] - 1e-12))


def model(rng, labels):
    return rng.normal(0, 1, len(labels)) + 1.5 * labels


rng = np.random.default_rng(0)
labels = rng.integers(0, 2, 200)
logits = model(rng, labels)
scaled = {"p": 1 / (1 + np.exp(-logits)), "p at temperature 2": 1 / (1 + np.exp(-logits / 2))}
calibrated = tested(labels, *scaled.values())
print("before and after temperature scaling: z {:.1f}, p {:.1f}, by {}".format(*calibrated), end="; ")
reference = by_signs(labels, *scaled.values())
print(f"p by permutation {reference:.1f}")

images, digits = load_digits(return_X_y=True)
images, digits = images[digits < 2], digits[digits < 2]
chances = []
for seed in range(5):
    drawn = np.random.default_rng(seed).choice(100, 60, replace=False)
    trained = LogisticRegression().fit(images[drawn], digits[drawn])
    chances.append(trained.decision_function(images[100:]))
areas = [float(roc_auc_score(digits[100:], each)) for each in chances]
perfect = [tested(digits[100:], *pair) for pair in itertools.combinations(chances, 2)]
print("digits 0 and 1, five training sets: AUC", *areas, end="; ")
print(f"pairs with p < {LEVEL}: {sum(p < LEVEL for _, p, _ in perfect)} of {len(perfect)}")

plain = []
for _ in range(RUNS):
    labels = rng.integers(0, 2, 100)
    plain.append(tested(labels, model(rng, labels), model(rng, labels)))
share = float(np.mean([p < LEVEL for _, p, _ in plain]))
print(f"equally good models that rank otherwise: p < {LEVEL} in {share:.1%} of {RUNS} runs")
same = [
    calibrated == (0, 0, "bootstrap") and reference == 1,
    set(areas) == {1.0} and all(found == (0, 0, "bootstrap") for found in perfect),
    share < 0.09,
]
raise SystemExit(not all(same))
PYTHON
OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore "$folder/equal.py"
