#!/usr/bin/env bash
# sewar 0.4.10: the universal quality index of an image and pure noise is 0.65 and not 0, and of its negative 0.28.
#
# sewar has measures of image quality, such as uqi, the "universal image quality index" of Wang and Bovik: correlation
# times agreement of contrast times agreement of brightness, over windows of 8 x 8 pixels; it lies between -1 and 1.
# Guess, written down before the run, as a user would make it: uqi is about 0 for noise that has nothing to do with the
# image, below 0 for the negative, and equals the formula of the paper; scc, the "spatial correlation coefficient", of
# an image with itself is 1. (By then the source had been read, and the guess was not trusted.)
# Seen: noise and shuffled pixels have 0.65, an even grey 0.72, and what has its structure turned round about each local
# mean 0.86. In the formula stand sums over the window, in the code means, as uniform_filter gives them: what is to be
# 64 times a covariance is nearly 64 times the mean product, so that uqi tells how far brightness agrees and little
# else. d_lambda, d_s and qnr are made of it. And the pixels in flat surroundings count as 0 in scc, so that of an image
# with itself it is the share of the others: 0.20 for a digit on a plain ground.
#
# Output seen:
#   image and                     uqi of sewar  of the paper
#   itself                                1.00          1.00
#   weak noise added                      0.97          0.41
#   turned round its local mean           0.86         -0.59
#   an even grey                          0.72          0.00
#   pure noise                            0.65         -0.00
#   its pixels, shuffled                  0.64          0.00
#   its negative                          0.28         -0.52
#   scc of a digit of 64 x 64 pixels with itself 0.20
#
# Needs Python 3.11 or newer with venv. Exits with 1 if this behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check sewar==0.4.10 numpy==2.4.6 scipy==1.17.1 \
    pillow==13.0.0 scikit-learn==1.9.1
cat > "$folder/quality.py" <<'PYTHON'
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import uniform_filter
from sewar.full_ref import scc, uqi
from sklearn.datasets import load_digits, load_sample_image

rng = np.random.default_rng(0)


def index(first, second, side=8):
    """The index of the paper: mean over all windows of 4 cov m1 m2 / ((v1 + v2) (m1^2 + m2^2))."""
    first, second = (
        sliding_window_view(each.astype(float), (side, side)).reshape(-1, side * side) for each in (first, second)
    )
    m1, m2, v1, v2 = first.mean(1), second.mean(1), first.var(1, ddof=1), second.var(1, ddof=1)
    covariance = ((first - m1[:, None]) * (second - m2[:, None])).sum(1) / (side * side - 1)
    brightness = 2 * m1 * m2 / np.maximum(m1**2 + m2**2, 1e-12)
    flat = v1 + v2 == 0
    return np.where(flat, brightness, brightness * 2 * covariance / np.where(flat, 1, v1 + v2)).mean()


def pixels(values):
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


image = pixels(load_sample_image("china.jpg").mean(axis=2))[:256, :256]
near = uniform_filter(image.astype(float), 8)
others = {
    "itself": image,
    "weak noise added": pixels(image + rng.normal(0, 20, image.shape)),
    "turned round its local mean": pixels(2 * near - image),
    "an even grey": np.full_like(image, round(image.mean())),
    "pure noise": pixels(rng.normal(image.mean(), image.std(), image.shape)),
    "its pixels, shuffled": rng.permutation(image.ravel()).reshape(image.shape),
    "its negative": 255 - image,
}
seen = {name: (float(uqi(image, other)), float(index(image, other))) for name, other in others.items()}
print("image and                     uqi of sewar  of the paper")
for name, values in seen.items():
    print("{:28} {:13.2f} {:13.2f}".format(name, *values))
digit = np.pad(np.kron(load_digits().images[0] * 15, np.ones((3, 3))), 20).astype(np.uint8)
alone = float(scc(digit, digit))
print(f"scc of a digit of {digit.shape[0]} x {digit.shape[1]} pixels with itself {alone:.2f}")
same = [
    abs(seen["itself"][0] - 1) < 1e-9 and abs(seen["itself"][1] - 1) < 1e-9,
    all(seen[name][0] > 0.6 and abs(seen[name][1]) < 0.02 for name in ("pure noise", "its pixels, shuffled")),
    seen["its negative"][0] > 0.2 and seen["its negative"][1] < -0.4,
    seen["turned round its local mean"][0] > 0.8 and seen["turned round its local mean"][1] < -0.5,
    alone < 0.5,
]
raise SystemExit(not all(same))
PYTHON
OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore "$folder/quality.py"
