#!/usr/bin/env bash
# statds 1.1.7: whether a t-test sees a difference depends on which method is named first, and p can be 2.
#
# statds compares algorithms over data sets; its t-tests give t, p, a critical value and a sentence with the decision.
# Guess, written down before the run, as a user would make it: p is that of scipy, the decision follows from p and
# alpha, and to exchange the two columns changes the sign of t and nothing else. (By then the source had been read, and
# the guess was not trusted.)
# Seen: with the worse method first, t is below 0, p is 2 less the right one, and the sentence says "Same
# distributions", however clear the difference is. With the better one first p is right, but the decision is made by the
# critical value of a one-sided test: with p = 0.077 the sentence rejects at "alpha = 0.05".
#
# Output seen (ten data sets, alpha = 0.05):
#   paired, clear    better first: t  6.00  p 0.0002  Reject          p of scipy 0.0002
#   paired, clear    worse  first: t -6.00  p 1.9998  Fail to Reject  p of scipy 0.0002
#   paired, unclear  better first: t  2.00  p 0.0766  Reject          p of scipy 0.0766
#   paired, unclear  worse  first: t -2.00  p 1.9234  Fail to Reject  p of scipy 0.0766
#   unpaired, clear  better first: t  9.22  p 0.0000  Reject          p of scipy 0.0000
#   unpaired, clear  worse  first: t -9.22  p 2.0000  Fail to Reject  p of scipy 0.0000
#
# Needs Python 3.11 or newer with venv. Exits with 1 if this behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check statds==1.1.7 numpy==2.4.6 pandas==3.1.1 \
    scipy==1.17.1 matplotlib==3.11.2
cat > "$folder/pairs.py" <<'PYTHON'
import numpy as np
import pandas as pd
from scipy.stats import ttest_ind, ttest_rel
from statds.parametrics import t_test_paired, t_test_unpaired

rng = np.random.default_rng(0)
base = rng.normal(90, 1, 10)
noise = rng.normal(0, 1, 10)
noise = (noise - noise.mean()) / noise.std(ddof=1) / np.sqrt(10)  # a mean of 0.1 more makes t 1 more
seen = {}


def tested(name, test, reference, better, worse):
    """Answers for both orders of the columns, and the p of scipy."""
    data = pd.DataFrame({"better": better, "worse": worse})
    p = float(reference(better, worse).pvalue)
    for order in (["better", "worse"], ["worse", "better"]):
        t, found, _, decision = test(data[order], alpha=0.05)
        rejected = decision.startswith("Reject")
        seen[name, order[0]] = (float(found), p, rejected)
        said = "Reject" if rejected else "Fail to Reject"
        print(f"{name:16} {order[0]:6} first: t {t:5.2f}  p {found:.4f}  {said:14}  p of scipy {p:.4f}")


tested("paired, clear", t_test_paired, ttest_rel, base + noise + 0.6, base)
tested("paired, unclear", t_test_paired, ttest_rel, base + noise + 0.2, base)
tested("unpaired, clear", t_test_unpaired, ttest_ind, base + noise + 3, base)
first, second = ([found for (_, name), found in seen.items() if name == wanted] for wanted in ("better", "worse"))
same = [
    all(abs(found - p) < 1e-3 and rejected for found, p, rejected in first),
    all(abs(found - 2 + p) < 1e-3 and not rejected for found, p, rejected in second),
    0.05 < seen["paired, unclear", "better"][1] < 0.1,
    all(seen[name, "worse"][1] < 0.001 for name in ("paired, clear", "unpaired, clear")),
]
raise SystemExit(not all(same))
PYTHON
OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore "$folder/pairs.py"
