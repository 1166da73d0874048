#!/usr/bin/env bash
# autorank 1.3.0: of two equal methods one is found better in 9 or 10 % of the runs, and clear differences can get p = 1.
#
# autorank compares methods, one a column, over seeds or data sets, one a row. With two methods whose results do not look
# normal it takes "Wilcoxon's signed rank test" from scipy; otherwise the paired t-test. "We internally use correction to
# ensure that all results together fulfill this confidence level."
# Guess, written down before the run, as a user would make it: two equal methods differ significantly in about 5 % of the
# runs, alpha being 0.05, and the p-value is that of scipy.stats.wilcoxon. If one method is better on 17 of 20 data sets,
# but the other one has the larger median, it is so, too. (By then the source had been read, and the guess was not
# trusted.)
# Seen: 9 or 10 %, as the p-value is half of scipy's. The test is one-sided, and its side is chosen after a look at the
# data: that of the method with the larger median. (The t-test in the same place is two-sided and finds 4 to 5 %. That the
# test is one-sided is said with verbose=True, and in the null hypothesis of the report; that its side comes from the same
# data is not.) Where the medians point the other way than the pairs do, p is 1 less that half: it is 0.999, and the
# report sees no difference, where scipy gives 0.002. That is rare if the data sets are alike, and one run in four if some
# of them are much harder than others.
#
# Output seen:
#   equal methods, not normal                          differ in 8.7%; by scipy's two-sided Wilcoxon in 3.6%
#   equal methods, normal, force_mode='nonparametric'  differ in 10.3%; by scipy's two-sided Wilcoxon in 5.7%
#   equal methods, normal, t-test                      differ in 4.2%; by scipy's two-sided Wilcoxon in 3.9%
#   p is half of scipy's in 73% of the skewed samples; in the others the medians disagree
#   second is better on 17 of 20  medians 37.0 15.5
#   p by autorank 0.999, report sees no difference: True;  p by scipy 0.002
#
# Needs Python 3.11 or newer with venv, and some minutes. Exits with 1 if this behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check autorank==1.3.0 numpy==2.4.6 pandas==3.1.1 \
    scipy==1.17.1 statsmodels==0.15.0 matplotlib==3.11.2
cat > "$folder/two.py" <<'PYTHON'
import contextlib
import io

import numpy as np
import pandas as pd
from autorank import autorank, create_report
from scipy.stats import wilcoxon

RUNS, ROWS, LEVEL = 1000, 20, 0.05
rng = np.random.default_rng(0)


def ranked(data, **more):
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its table
        return autorank(data, alpha=LEVEL, **more)


def shares(draw, omnibus, **more):
    """Shares of the runs in which two equal methods differ, and in which p is half of scipy's."""
    differ, two_sided, half = [], [], []
    while len(differ) < RUNS:
        data = pd.DataFrame(draw(), columns=["A", "B"])
        result = ranked(data, **more)
        if result.omnibus == omnibus:
            p = wilcoxon(data["A"], data["B"]).pvalue
            differ.append(result.pvalue < LEVEL), two_sided.append(p < LEVEL)
            half.append(np.isclose(result.pvalue, p / 2))
    return np.mean(differ), np.mean(two_sided), np.mean(half)


def skewed():
    """Error rates of two equal methods on data sets some of which are much harder."""
    return rng.exponential(5, (ROWS, 1)) * rng.exponential(1, (ROWS, 2))


def normal():
    return rng.normal(90, 2, (ROWS, 2))


seen = {
    "not normal": shares(skewed, "wilcoxon"),
    "normal, force_mode='nonparametric'": shares(normal, "wilcoxon", force_mode="nonparametric"),
    "normal, t-test": shares(normal, "ttest"),
}
for name, (differ, two_sided, half) in seen.items():
    print(f"equal methods, {name:35} differ in {differ:.1%}; by scipy's two-sided Wilcoxon in {two_sided:.1%}")
print(f"p is half of scipy's in {seen['not normal'][2]:.0%} of the skewed samples; in the others the medians disagree")

first = np.array([5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69]) * 1.0
second = first + np.linspace(1, 3, ROWS)
second[[0, 10, 19]] = first[[0, 10, 19]] - [0.5, 45, 0.5]  # three data sets on which the first one is better
data = pd.DataFrame({"first": first, "second": second})
result = ranked(data)
p = wilcoxon(first, second).pvalue
print("second is better on", int((second > first).sum()), "of", ROWS, " medians", *data.median().round(1))
with contextlib.redirect_stdout(io.StringIO()) as report:
    create_report(result)
none = "there is no statistically significant difference" in report.getvalue()
print(f"p by autorank {result.pvalue:.3f}, report sees no difference: {none};  p by scipy {p:.3f}")
same = [
    all(seen[name][0] > 0.075 and seen[name][1] < 0.065 for name in list(seen)[:2]),
    seen["normal, t-test"][0] < 0.065,
    seen["not normal"][2] > 0.5,
    result.omnibus == "wilcoxon" and result.pvalue > 0.95 and none and p < 0.02,
]
raise SystemExit(not all(same))
PYTHON
OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore "$folder/two.py"
