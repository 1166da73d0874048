#!/usr/bin/env bash
# attackbenchlib 2.0.2: the area under the robust accuracy is larger for a model that is easier to attack.
#
# AttackBench compares attacks on classifiers and, with get_stats, the classifiers, too. robust_accuracy_auc is the
# "Area Under Curve for robust accuracy", the share of images whose class no perturbation up to a size changes.
# Guess, written down before the run, as a user would make it: the area starts at size 0 and ends at a size that is the
# same for all models, so a model that needs larger perturbations, or withstands the attack on most images, has the
# larger area. (By then the source had been read, and the guess was not trusted.)
# Seen: the curve starts at the smallest perturbation found and ends at the largest. So images that nothing breaks do
# not count, and a model that withstands the attack on nine of ten images has a smaller area than one that falls on all;
# and if all images need a large perturbation of nearly the same size, the area is next to nothing. Robust accuracy at
# one size, in the same result, is right.
#
# Output seen:
#   perturbations that break 1000 images            area  0 to 8/255  robust at 4/255
#   all, up to 4/255                              0.0081      0.0081            0.00
#   all, 7/255 to 8/255                           0.0019      0.0293            1.00
#   one of ten, up to 1/255, the others none      0.0036      0.0284            0.90
#   linear models of digits 0 and 1, smallest perturbation of each right image
#     all pixels                                  0.2073, by its definition 0.2332, smallest 0.0250
#     twelve pixels in the middle                 0.2526, by its definition 0.3138, smallest 0.0598
#
# Needs Python 3.11 or newer with venv, and some minutes. Exits with 1 if this behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-compile attackbenchlib==2.0.2 torch==2.14.1 \
    torchvision==0.29.1 numpy==2.4.6 tqdm==4.70.1 wandb==0.31.0 scikit-learn==1.9.1
cat > "$folder/area.py" <<'PYTHON'
import numpy as np
from attackbench.metrics import get_stats
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

LIMIT = 8 / 255
rng = np.random.default_rng(0)


def rated(distances):
    """Area by the package, area by its definition up to 8/255, robust accuracy at 4/255 by the package."""
    broken = np.isfinite(distances)
    results = {
        "distances": {"linf": distances.tolist()},
        "adv_success": broken.tolist(),
        "correct": [True] * len(distances),
        "ori_success": [False] * len(distances),
    }
    stats = get_stats(results, "linf", include_optimality=False)
    area = np.minimum(distances, LIMIT).mean()  # each image is right up to its distance
    return stats["robust_accuracy_auc"], area, stats["robust_acc_4_255"]


def row(name, distances):
    values = rated(distances)
    print(f"{name:44}{values[0]:8.4f} {values[1]:11.4f} {values[2]:15.2f}")
    return values


print("perturbations that break 1000 images            area  0 to 8/255  robust at 4/255")
weak = row("all, up to 4/255", rng.uniform(0, 4 / 255, 1000))
strong = row("all, 7/255 to 8/255", rng.uniform(7 / 255, 8 / 255, 1000))
few = np.where(np.arange(1000) < 100, rng.uniform(0, 1 / 255, 1000), np.inf)
withstands = row("one of ten, up to 1/255, the others none", few)

images, digits = load_digits(n_class=2, return_X_y=True)
train = rng.permutation(len(digits)) < 180
print("linear models of digits 0 and 1, smallest perturbation of each right image")
linear = {}
for name, pixels in (("all pixels", slice(None)), ("twelve pixels in the middle", slice(26, 38))):
    x = images[:, pixels] / 16
    model = LogisticRegression(C=1, max_iter=1000).fit(x[train], digits[train])
    right = ~train & (model.predict(x) == digits)
    sizes = np.abs(model.decision_function(x)) / np.abs(model.coef_).sum()
    values = rated(sizes[right])
    linear[name] = values[0], sizes[right].mean(), sizes[right].min()
    print(f"  {name:42}{values[0]:8.4f}, by its definition {linear[name][1]:.4f}, smallest {linear[name][2]:.4f}")
same = [
    weak[0] > 2 * strong[0] and 3 * weak[1] < strong[1] and weak[2] < 0.05 and strong[2] == 1,
    withstands[0] < weak[0] and withstands[1] > strong[1] - 0.003 and withstands[2] == 0.9,
    all(abs(area + least - mean) < 0.01 for area, mean, least in linear.values()),
]
raise SystemExit(not all(same))
PYTHON
WANDB_MODE=disabled OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore "$folder/area.py"
