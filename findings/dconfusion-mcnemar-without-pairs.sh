#!/usr/bin/env bash
# dconfusion 1.1.1: two equally good models differ "significantly" by its McNemar test in most of the test sets.
#
# dconfusion works with confusion matrices; mcnemar_test compares two models "tested on the same dataset". Its text says
# that it "accounts for the paired nature of the comparison" and looks at the images on which the models disagree.
# Guess, written down before the run, as a user would make it: two equally good models differ in about 5 % of the test
# sets, and p is that of mcnemar of statsmodels from the predictions themselves; if that cannot be told from two
# matrices, there is an error. (By then the source had been read, and the guess was not trusted.)
# Seen: two matrices do not tell on how many images the models disagree, and the difference of their numbers of right
# answers is taken for it, as if all disagreement went one way. So one model is "significantly better" as soon as it
# has six more right answers, in a test set of 200 images as in one of 20000. Of two models with an accuracy of 0.9 one
# is better in 4 to 9 of 10 test sets, the more the larger they are; of ten seeds of one random forest, in nearly half
# of the pairs. And two models each of which is right on 100 images where the other is wrong are said to make
# "identical predictions".
#
# Output seen:
#   models with an accuracy of 0.9, errors independent; share of 1000 test sets with p < 0.05
#      200 images: dconfusion 0.37, statsmodels 0.04
#     1000 images: dconfusion 0.64, statsmodels 0.04
#     5000 images: dconfusion 0.87, statsmodels 0.05
#    20000 images: dconfusion 0.92, statsmodels 0.04
#   ten seeds of a forest, odd or even digits, accuracy 0.941 to 0.950
#   pairs of seeds that differ: dconfusion 21 of 45, statsmodels 5
#   each alone is right on 100 and 100 images: p 1.0, 'The classifiers make identical predictions'
#
# Needs Python 3.11 or newer with venv. Exits with 1 if this behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dconfusion==1.1.1 numpy==2.4.6 pandas==3.1.1 \
    scipy==1.17.1 scikit-learn==1.9.1 statsmodels==0.15.0 matplotlib==3.11.2
cat > "$folder/pairs.py" <<'PYTHON'
from itertools import combinations

import numpy as np
from dconfusion import DConfusion
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from statsmodels.stats.contingency_tables import mcnemar

LEVEL, SETS = 0.05, 1000
rng = np.random.default_rng(0)


def tested(labels, first, second):
    """p by dconfusion, p by statsmodels, and what dconfusion says of two models, given their predictions."""
    matrices = []
    for found in (first, second):
        counts = [int(((labels == right) & (found == said)).sum()) for right, said in ((1, 1), (1, 0), (0, 1), (0, 0))]
        matrices.append(DConfusion(*counts[:2], false_positive=counts[2], true_negative=counts[3]))
    result = matrices[0].mcnemar_test(matrices[1])
    one, two = first == labels, second == labels
    table = [[(one & two).sum(), (one & ~two).sum()], [(~one & two).sum(), (~one & ~two).sum()]]
    return result["p_value"], mcnemar(table, exact=False, correction=True).pvalue, result["interpretation"], table


def wrong(labels, share):
    return np.where(rng.random(len(labels)) < share, 1 - labels, labels)


print(f"models with an accuracy of 0.9, errors independent; share of {SETS} test sets with p < {LEVEL}")
shares = {}
for size in (200, 1000, 5000, 20000):
    labels = rng.integers(0, 2, size)
    p = np.array([tested(labels, wrong(labels, 0.1), wrong(labels, 0.1))[:2] for _ in range(SETS)])
    shares[size] = (p < LEVEL).mean(axis=0)
    print(f"{size:6} images: dconfusion {shares[size][0]:.2f}, statsmodels {shares[size][1]:.2f}")

images, digits = load_digits(return_X_y=True)
odd, train = digits % 2, rng.permutation(len(digits)) < 400
found = [
    RandomForestClassifier(100, random_state=seed).fit(images[train], odd[train]).predict(images[~train])
    for seed in range(10)
]
p = np.array([tested(odd[~train], *pair)[:2] for pair in combinations(found, 2)])
forests = (p < LEVEL).sum(axis=0)
right = [float((each == odd[~train]).mean()) for each in found]
print(f"ten seeds of a forest, odd or even digits, accuracy {min(right):.3f} to {max(right):.3f}")
print(f"pairs of seeds that differ: dconfusion {forests[0]} of {len(p)}, statsmodels {forests[1]}")

labels = np.tile([0, 1], 500)
first, second = labels.copy(), labels.copy()
first[:100], second[100:200] = 1 - labels[:100], 1 - labels[100:200]
p_identical, _, said, table = tested(labels, first, second)
print(f"each alone is right on {table[0][1]} and {table[1][0]} images: p {p_identical:.1f}, {said.split('.')[0]!r}")
same = [
    all(share[0] > 0.25 and share[1] < 0.08 for share in shares.values()),
    shares[20000][0] > 0.85,
    forests[0] >= 15 and forests[1] <= 9,
    p_identical == 1 and "identical predictions" in said and table[0][1] == table[1][0] == 100,
]
raise SystemExit(not all(same))
PYTHON
OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore "$folder/pairs.py"
