#!/usr/bin/env bash
# overcomplete 0.3.0: who replaces all activations by their mean has an R2 of 0.90, where it should be 0.
#
# overcomplete finds concepts in the activations of vision models by dictionary learning (sparse autoencoders, NMF and
# others). r2_score rates the reconstruction; by its text "a score of 0 indicates that the reconstruction is as good as
# the mean".
# Guess, written down before the run, as a user would make it: R2 is that of scikit-learn over all features, so a
# reconstruction without any information, the mean of each feature, has 0. (By then the source had been read, and the
# guess was not trusted.)
# Seen: the mean is one number over all images and all features. So features with means of their own, as activations and
# pixels have them, give a high score to a reconstruction that knows nothing of the image, and how high depends on these
# means alone: a constant added to one pixel, in the images and in their reconstructions, takes R2 from 0.86 to 1.00.
#
# Output seen:
#   reconstruction                               overcomplete  scikit-learn
#   activations with own means, by their mean            0.90          0.00
#   digits, by the mean image                            0.48          0.00
#   digits, by 2 components of PCA                       0.63          0.29
#   digits, by 10 components of PCA                      0.86          0.74
#   the same, one pixel brighter by 1000                 1.00          0.74
#
# (opencv-python-headless is installed in place of opencv-python: the same without windows.)
# Needs Python 3.11 or newer with venv, and some minutes. Exits with 1 if this behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-compile torch==2.14.1 \
    torchvision==0.29.1 numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1 \
    scikit-image==0.26.0 matplotlib==3.10.7 einops==0.8.2 timm==1.0.31 opencv-python-headless==5.0.0.93
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-compile --no-deps overcomplete==0.3.0
cat > "$folder/mean.py" <<'PYTHON'
import numpy as np
import torch
from overcomplete.metrics import r2_score as by_package
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score as by_sklearn

rng = np.random.default_rng(0)
activations = rng.normal(0, 1, (500, 64)) + rng.normal(0, 3, 64)
digits = load_digits().data


def mean(x):
    return np.tile(x.mean(axis=0), (len(x), 1))


def components(x, number):
    model = PCA(number, random_state=0).fit(x)
    return model.inverse_transform(model.transform(x))


def definition(x, found):
    return 1 - ((x - found) ** 2).sum() / ((x - x.mean(axis=0)) ** 2).sum()


brighter = 1000.0 * (np.arange(digits.shape[1]) == 0)
pairs = {
    "activations with own means, by their mean": (activations, mean(activations)),
    "digits, by the mean image": (digits, mean(digits)),
    "digits, by 2 components of PCA": (digits, components(digits, 2)),
    "digits, by 10 components of PCA": (digits, components(digits, 10)),
    "the same, one pixel brighter by 1000": (digits + brighter, components(digits, 10) + brighter),
}
print("reconstruction                               overcomplete  scikit-learn")
seen = []
for name, (x, found) in pairs.items():
    package = float(by_package(torch.tensor(x), torch.tensor(found)))
    right = by_sklearn(x, found, multioutput="variance_weighted")
    seen.append((package, right, definition(x, found)))
    print(f"{name:45}{package:12.2f}{right + 0.0:14.2f}")
package, right, by_hand = np.array(seen).T
same = [
    np.allclose(right, by_hand),
    np.allclose(right[:2], 0) and package[0] > 0.8 and package[1] > 0.4,
    np.isclose(right[3], right[4]) and package[4] > 0.99 > package[3] + 0.05,
    all(package > right + 0.05),
]
raise SystemExit(not all(same))
PYTHON
OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore "$folder/mean.py"
