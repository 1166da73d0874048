#!/usr/bin/env bash
# iaa-kit 0.1.2: on a scale to 10 the rating 10 counts as next to 1, and AC2 is the kappa that it is to replace.
#
# iaa-kit has measures of agreement between raters, as one needs them where people judge images or what a saliency map
# shows: weighted kappa, Gwet's AC1 and AC2, Krippendorff's alpha with missing ratings and four kinds of scale.
# Guess, written down before the run, as a user would make it: weighted_kappa of ratings from 1 to 10 is that of
# scikit-learn; ac2 stays high where nearly all ratings are the same and kappa falls, as AC2 is made for that; alpha
# with missing ratings is that of the package krippendorff, and the ordinal scale is not the interval one. (By then the
# source had been read, and the guess was not trusted.)
# Seen: weighted_kappa sorts the ratings by their text, so that 10 comes right after 1: with ratings one apart at most,
# quadratic kappa is 0.60 instead of 0.93; numbered from 0, the same ratings have 0.93. ac2 is weighted_kappa under
# another name. alpha gives each pair of ratings the same weight, and not each item by its ratings: if hard images are
# given to five raters and easy ones to two, it is far too low. And "ordinal" is "interval". (Met while looking, without
# a guess: prevalence_index is the share of agreement less that of disagreement, so 1 for perfect agreement on balanced
# classes, where it should be 0.)
#
# Output seen (400 items; reference: scikit-learn, the formula of Gwet, the package krippendorff, that of the index):
#                                                 iaa-kit  reference
#   linear kappa, ratings 1 to 10                    0.56       0.77
#   quadratic kappa, ratings 1 to 10                 0.60       0.93
#   linear kappa, ratings 0 to 9                     0.77       0.77
#   quadratic kappa, ratings 0 to 9                  0.93       0.93
#   AC2, nearly all ratings are 1                    0.52       0.96
#   linear kappa of the same                         0.52       0.52
#   nominal alpha, five or two raters an item        0.16       0.32
#   ordinal alpha                                    0.87       0.80
#   interval alpha                                   0.87       0.87
#   prevalence index, balanced and all agreed        1.00       0.00
#
# Needs Python 3.11 or newer with venv. Exits with 1 if this behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check iaa-kit==0.1.2 krippendorff==0.9.0 numpy==2.4.6 \
    scipy==1.17.1 scikit-learn==1.9.1
cat > "$folder/raters.py" <<'PYTHON'
import krippendorff
import numpy as np
from iaa_kit import ac2, alpha_value, prevalence_index, weighted_kappa
from sklearn.metrics import cohen_kappa_score

rng = np.random.default_rng(0)
ITEMS = 400
seen = {}


def shown(name, ours, reference):
    seen[name] = float(ours), float(reference)
    print(f"{name:44} {seen[name][0]:8.2f} {seen[name][1]:10.2f}")


def gwet(first, second):
    """AC2 of two raters, linear weights, by the formula of Gwet."""
    levels = np.unique([first, second])
    weights = 1 - np.abs(levels[:, None] - levels) / (levels[-1] - levels[0])
    shares = np.array([(first == level).mean() + (second == level).mean() for level in levels]) / 2
    observed = (1 - np.abs(first - second) / (levels[-1] - levels[0])).mean()
    chance = weights.sum() * (shares * (1 - shares)).sum() / len(levels) / (len(levels) - 1)
    return (observed - chance) / (1 - chance)


print(f"{'':44} {'iaa-kit':>8} {'reference':>10}")
true = rng.integers(1, 11, ITEMS)
first, second = (np.clip(true + rng.integers(-1, 2, ITEMS), 1, 10) for _ in range(2))
for scale, less in (("1 to 10", 0), ("0 to 9", 1)):
    for weights in ("linear", "quadratic"):
        one, other = (first - less).tolist(), (second - less).tolist()
        reference = cohen_kappa_score(one, other, weights=weights)
        shown(f"{weights} kappa, ratings {scale}", weighted_kappa(one, other, weights), reference)
true = rng.choice([1, 2, 3], ITEMS, p=[0.96, 0.02, 0.02])
first, second = (np.where(rng.random(ITEMS) < 0.95, true, rng.integers(1, 4, ITEMS)) for _ in range(2))
one, other = first.tolist(), second.tolist()
shown("AC2, nearly all ratings are 1", ac2(one, other), gwet(first, second))
shown("linear kappa of the same", weighted_kappa(one, other), cohen_kappa_score(one, other, weights="linear"))
hard = np.arange(ITEMS) < ITEMS / 2
answers = rng.integers(0, 4, (ITEMS, 1)) * np.ones(5)
answers = np.where(rng.random((ITEMS, 5)) < np.where(hard, 0.7, 0.05)[:, None], rng.integers(0, 4, (ITEMS, 5)), answers)
answers[~hard, 2:] = np.nan  # two raters are enough where they agree
reference = krippendorff.alpha(answers.T, level_of_measurement="nominal")
shown("nominal alpha, five or two raters an item", alpha_value(answers.tolist()), reference)
levels = rng.choice([1, 2, 3, 4, 5], (ITEMS, 1), p=[0.02, 0.02, 0.02, 0.47, 0.47]) * np.ones(3)
levels = np.where(rng.random((ITEMS, 3)) < 0.1, rng.choice([4, 5], (ITEMS, 3)), levels)
for scale in ("ordinal", "interval"):
    reference = krippendorff.alpha(levels.T, level_of_measurement=scale)
    shown(f"{scale} alpha", alpha_value(levels.tolist(), scale), reference)
shown("prevalence index, balanced and all agreed", prevalence_index([0, 1] * 50, [0, 1] * 50), 0)
rows = list(seen.values())
same = [
    all(ours < reference - 0.15 for ours, reference in rows[:2]),
    all(abs(ours - reference) < 1e-9 for ours, reference in rows[2:4]),
    rows[4][0] == rows[5][0] and rows[4][1] > 0.9 and abs(rows[5][0] - rows[5][1]) < 1e-9,
    rows[6][0] < rows[6][1] - 0.1,
    rows[7][0] == rows[8][0] and abs(rows[7][0] - rows[7][1]) > 0.03 and abs(rows[8][0] - rows[8][1]) < 1e-9,
    rows[9][0] == 1,
]
raise SystemExit(not all(same))
PYTHON
OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore "$folder/raters.py"
