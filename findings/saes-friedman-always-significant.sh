#!/usr/bin/env bash
# saes 1.5.0: its Friedman test finds in every table of results that the methods differ, even if all are equal.
#
# SAES compares algorithms, metaheuristics and classifiers alike, over several data sets. By the text of friedman the
# null hypothesis is that all perform equivalently, "their average ranks should be equal"; its LaTeX tables use it, too.
# Guess, written down before the run, as a user would make it: statistic and p are those of friedmanchisquare of scipy,
# and equal methods differ "significantly" in about 5 % of the tables. (By then the source had been read, and the guess
# was not trusted.)
# Seen: the squares of the average ranks are multiplied by the number of data sets once more than in the formula. So the
# statistic of k methods on n data sets is n times the right one plus 3 n (n - 1) (k + 1): 1350 for four methods with
# the very same average rank on ten data sets, where it is 0. With two data sets p is below 0.0001 already, with ten it
# is 0, whatever the table shows.
#
# Output seen:
#   four equal methods on ten data sets, share of 500 tables with p < 0.05: saes 1.00, scipy 0.03
#   largest p in them: saes 0.0, scipy 1.00
#   four seeds of one forest, ten folds of digits, accuracies 0.965 to 0.970
#     saes   statistic 1357.20, p 0.0
#     scipy  statistic    0.81, p 0.84732
#   all average ranks equal: saes 1350.0, by the formula 0.0, 3 n (n - 1) (k + 1) = 1350
#
# (SAES is installed without matplotlib and other packages that its plots need.)
# Needs Python 3.11 or 3.12 with venv. Exits with 1 if this behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==1.26.4 pandas==2.3.3 scipy==1.15.3 \
    statsmodels==0.14.5 scikit-learn==1.7.2
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps saes==1.5.0
cat > "$folder/ranks.py" <<'PYTHON'
import numpy as np
import pandas as pd
from SAES.statistical_tests.non_parametrical import friedman
from scipy.stats import friedmanchisquare, rankdata
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import KFold

DATA_SETS, METHODS, TABLES = 10, 4, 500


def by_saes(table):
    return friedman(pd.DataFrame(table), maximize=True)["Results"].to_numpy()


def by_scipy(table):
    found = friedmanchisquare(*table.T)
    return np.array([found.statistic, found.pvalue])


def by_formula(table):
    """Friedman's statistic, for tables without ties."""
    sets, methods = table.shape
    ranks = rankdata(-table, axis=1).mean(axis=0)
    return 12 * sets / (methods * (methods + 1)) * (np.sum(ranks**2) - methods * (methods + 1) ** 2 / 4)


rng = np.random.default_rng(0)
tables = rng.normal(0.9, 0.02, (TABLES, DATA_SETS, METHODS))
p = np.array([(by_saes(table)[1], by_scipy(table)[1]) for table in tables])
shares = (p < 0.05).mean(axis=0)
agree = all(np.isclose(by_formula(table), by_scipy(table)[0]) for table in tables)
print(f"four equal methods on ten data sets, share of {TABLES} tables with p < 0.05:", end=" ")
print(f"saes {shares[0]:.2f}, scipy {shares[1]:.2f}")
print(f"largest p in them: saes {p[:, 0].max():.1f}, scipy {p[:, 1].max():.2f}")

images, digits = load_digits(return_X_y=True)
forests = np.zeros((DATA_SETS, METHODS))
for fold, (train, test) in enumerate(KFold(DATA_SETS, shuffle=True, random_state=0).split(images)):
    for seed in range(METHODS):
        model = RandomForestClassifier(20, random_state=seed).fit(images[train], digits[train])
        forests[fold, seed] = model.score(images[test], digits[test])
means = forests.mean(axis=0)
ours, theirs = by_saes(forests), by_scipy(forests)
print(f"four seeds of one forest, ten folds of digits, accuracies {means.min():.3f} to {means.max():.3f}")
print(f"  saes   statistic {ours[0]:7.2f}, p {ours[1]:.1f}")
print(f"  scipy  statistic {theirs[0]:7.2f}, p {theirs[1]:.5f}")

falling = np.arange(METHODS, 0, -1.0)
balanced = np.array([falling, falling[::-1]] * (DATA_SETS // 2))  # the first half best in one, worst in the next
even, least = by_saes(balanced)[0], 3 * DATA_SETS * (DATA_SETS - 1) * (METHODS + 1)
print(f"all average ranks equal: saes {even:.1f}, by the formula {by_formula(balanced):.1f},", end=" ")
print(f"3 n (n - 1) (k + 1) = {least}")
same = [
    agree,
    shares[0] == 1 and p[:, 0].max() < 1e-9 and 0.02 < shares[1] < 0.08,
    ours[1] < 1e-9 and theirs[1] > 0.05,
    np.isclose(even, least) and np.isclose(by_formula(balanced), 0),
    np.isclose(by_saes(tables[0])[0], DATA_SETS * by_formula(tables[0]) + least),
]
raise SystemExit(not all(same))
PYTHON
OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore "$folder/ranks.py"
