#!/usr/bin/env bash
# multidst 0.1.11: its SGoF test rejects one in twenty of true null hypotheses, and no more than 16 of 180 false ones.
#
# multidst corrects p values of many tests, for instance of all pairs of classifiers on all data sets, by six methods.
# SGoF, after a paper of Carvajal-Rodriguez and others (2009), asks if more p values are below 0.05 than chance alone
# gives; while it is so, the smallest p is declared significant and taken away. Its description there: "Increased power
# for large-scale testing".
# Guess, written down before the run, as a user would make it: without any effect hardly anything is significant, and
# with many effects about as many as in the method of Benjamini and Hochberg. (By then the source had been read, and the
# guess was not trusted.)
# Seen: the number of p values below 0.05 is lowered until it is no longer more than chance gives, and what is left over
# then, not what was taken away, is called significant. So of 200 true null hypotheses 9 are rejected, nearly as many as
# without a correction; and with effects in 20, 60, 100 or 180 of 200 tests it is 16 of them in each case.
#
# Output seen:
#   tests with an effect, of 200         0     20     60    100    180
#   multidst, SGoF                     9.4   16.0   16.0   16.0   16.0
#   SGoF by its definition             0.1   13.5   49.0   86.3  161.8
#   multidst, Benjamini-Hochberg       0.1   19.0   59.0   98.4  177.3
#   uncorrected                        9.6   29.5   65.0  102.3  177.8
#   105 pairs of classifiers of digits, McNemar's test: uncorrected 94, multidst's SGoF 9, by its definition 85,
#   Benjamini-Hochberg 94
#
# Needs Python 3.11 or newer with venv. Exits with 1 if this behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check multidst==0.1.11 numpy==2.4.6 pandas==3.1.1 \
    scipy==1.17.1 statsmodels==0.15.0 matplotlib==3.11.2 scikit-learn==1.9.1
cat > "$folder/rest.py" <<'PYTHON'
import contextlib
import io
from itertools import combinations

import numpy as np
from scipy.stats import chi2, norm
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from statsmodels.stats.contingency_tables import mcnemar

with contextlib.redirect_stdout(io.StringIO()):  # it prints examples
    from multidst.functions import multitest

LEVEL, TESTS, RUNS = 0.05, 200, 20
EFFECTS = (0, 20, 60, 100, 180)


def by_definition(p):
    """How many of the smallest p values are taken away before the others are no longer more than chance gives."""
    below, expected, declared = int((p <= LEVEL).sum()), len(p) * LEVEL, 0
    while below > expected:
        excess = (below - expected) ** 2
        if chi2.sf(excess / expected + excess / (len(p) - expected), 1) >= LEVEL:
            break
        below, declared = below - 1, declared + 1
    return declared


def counts(p):
    found = multitest(p, alpha=LEVEL)
    return len(found["SGoF"]), by_definition(p), len(found["BH"]), len(found["Uncorrected"])


rng = np.random.default_rng(0)
means = []
for effects in EFFECTS:
    shift = 4 * (np.arange(TESTS) < effects)
    samples = [2 * norm.sf(np.abs(rng.normal(size=TESTS) + shift)) for _ in range(RUNS)]
    means.append(np.mean([counts(p) for p in samples], axis=0))
table = np.array(means).T
print(f"tests with an effect, of {TESTS}   " + "".join(f"{effects:7}" for effects in EFFECTS))
NAMES = ("multidst, SGoF", "SGoF by its definition", "multidst, Benjamini-Hochberg", "uncorrected")
for name, row in zip(NAMES, table, strict=True):
    print(f"{name:28}" + "".join(f"{value:7.1f}" for value in row))

images, digits = load_digits(return_X_y=True)
order = rng.permutation(len(digits))
train, test = order[:600], order[600:]
right = []
for pixels in (8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60, 64):  # the first pixels of an image alone
    model = KNeighborsClassifier(5).fit(images[train, :pixels], digits[train])
    right.append(model.predict(images[test, :pixels]) == digits[test])
p = []
for one, two in combinations(right, 2):
    cells = [[(one & two).sum(), (one & ~two).sum()], [(~one & two).sum(), (~one & ~two).sum()]]
    p.append(mcnemar(cells, exact=True).pvalue)
real = counts(np.array(p))
print(f"{len(p)} pairs of classifiers of digits, McNemar's test: uncorrected {real[3]},", end=" ")
print(f"multidst's SGoF {real[0]}, by its definition {real[1]}, Benjamini-Hochberg {real[2]}")
sgof, definition, benjamini, _ = table
same = [
    sgof[0] > 8 and definition[0] < 1 and benjamini[0] < 1,
    np.ptp(sgof[1:]) < 1,
    definition[-1] > 140 and sgof[-1] < 20,
    real[0] < 15 and real[1] > 60,
]
raise SystemExit(not all(same))
PYTHON
OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore "$folder/rest.py"
