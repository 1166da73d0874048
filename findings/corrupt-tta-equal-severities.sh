#!/usr/bin/env bash
# corrupt-tta 0.1.7: motion blur of severity 2, 3 and 4 is one and the same, and so is fog of severity 3 and 4.
#
# corrupt-tta makes the corruptions of ImageNet-C without ImageMagick: noise, blur, weather and the like in five
# severities each, by which the robustness of classifiers is compared.
# Guess, as a user would make it: with the same random seed, each severity gives another image than the others, further
# from the original than the one below, and the weaker severities of motion blur are as weak as in ImageNet-C, whose
# parameters stand in the code. (It was written down before the run of this script, but after the source had been read
# and a first look at which severities are the same had been taken; it was not trusted.)
# Seen: of radius and sigma of the motion blur, (10, 3), (15, 5), (15, 8), (15, 12) and (20, 15), the radius alone is
# used: 21, 31 or 41 pixels count alike, where ImageNet-C has half a normal curve with that sigma. So three severities
# are one; the first takes the image further from the original than the second of ImageNet-C, and the fourth less far.
# Of the two parameters of fog, the second one, how fast its structure fades, is not used. In a mean over severities,
# like mCE, three of five numbers are the same one, and the curve of a classifier has a plateau that is none of its own:
# 0.90, 0.90, 0.90 here, where it is 0.94, 0.91, 0.80 with both parameters.
#
# Output seen:
#   severities with the same image for the same seed, of 19 corruptions
#     motion_blur [(2, 3), (2, 4), (3, 4)]
#     fog [(3, 4)]
#   motion blur, severity                       1     2     3     4     5
#   PSNR, corrupt-tta                        18.4  18.0  18.0  18.0  17.6
#   PSNR, half a normal curve, same angles   20.1  18.9  18.0  17.3  16.8
#   accuracy on digits, corrupt-tta          0.93  0.90  0.90  0.90  0.74
#   accuracy on digits, half a normal curve  0.94  0.94  0.91  0.80  0.67
#
# (opencv-python-headless is installed in place of opencv-python: the same without windows.)
# Needs Python 3.11 or newer with venv. Exits with 1 if this behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 pillow==13.0.0 \
    scikit-image==0.26.0 scikit-learn==1.9.1 opencv-python-headless==5.0.0.93
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps corrupt_tta==0.1.7
cat > "$folder/severities.py" <<'PYTHON'
from itertools import combinations

import numpy as np
from corrupt_tta import corrupt, corruption_dict
from sklearn.datasets import load_digits, load_sample_image
from sklearn.linear_model import LogisticRegression

PARAMETERS = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))  # radius and sigma, ImageNet-C and corrupt-tta
SEVERITIES = range(1, 6)


def corrupted(image, name, severity, seed):
    np.random.seed(seed)
    return np.asarray(corrupt(image, severity=severity, corruption_name=name), dtype=float)


def half_normal(image, severity, seed):
    """Motion blur as ImageMagick makes it: a weighted mean of copies, each shifted by one pixel more."""
    np.random.seed(seed)
    angle = np.deg2rad(np.random.uniform(-45, 45))
    radius, sigma = PARAMETERS[severity - 1]
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    height, width = image.shape[:2]
    total = np.zeros(image.shape)
    for step, weight in zip(steps, weights / weights.sum(), strict=True):
        rows = np.clip(np.arange(height) + round(step * np.sin(angle)), 0, height - 1)
        columns = np.clip(np.arange(width) + round(step * np.cos(angle)), 0, width - 1)
        total += weight * image[rows][:, columns]
    return total


def psnr(image, other):
    return 10 * np.log10(255**2 / ((image - other) ** 2).mean())


china = load_sample_image("china.jpg")[100:324, 200:424]
print(f"severities with the same image for the same seed, of {len(corruption_dict)} corruptions")
equal = {}
for name in corruption_dict:
    images = [corrupted(china, name, severity, 0) for severity in SEVERITIES]
    pairs = [(a + 1, b + 1) for a, b in combinations(range(5), 2) if np.array_equal(images[a], images[b])]
    if pairs:
        equal[name] = pairs
        print(" ", name, pairs)

small, labels = load_digits(return_X_y=True)
order = np.random.RandomState(0).permutation(len(labels))
train, test = order[:1000], order[1000:1200]
model = LogisticRegression(max_iter=1000).fit(small[train], labels[train])


def accuracy(blur, severity):
    """Of a classifier of 8 x 8 pixels, on digits that were blurred at 96 x 96 pixels."""
    found = []
    for number in test:
        large = np.kron(small[number].reshape(8, 8) * 15, np.ones((12, 12))).astype(np.uint8)
        blurred = blur(np.repeat(large[..., None], 3, axis=2), severity, int(number))[..., 0]
        found.append(model.predict(blurred.reshape(8, 12, 8, 12).mean(axis=(1, 3)).reshape(1, -1) / 15)[0])
    return float((np.array(found) == labels[test]).mean())


def by_package(image, severity, seed):
    return corrupted(image, "motion_blur", severity, seed)


rows = {
    "PSNR, corrupt-tta": [np.mean([psnr(china, by_package(china, s, n)) for n in range(10)]) for s in SEVERITIES],
    "PSNR, half a normal curve, same angles": [
        np.mean([psnr(china, half_normal(china, s, n)) for n in range(10)]) for s in SEVERITIES
    ],
    "accuracy on digits, corrupt-tta": [accuracy(by_package, s) for s in SEVERITIES],
    "accuracy on digits, half a normal curve": [accuracy(half_normal, s) for s in SEVERITIES],
}
print("motion blur, severity                  " + "".join(f"{severity:6}" for severity in SEVERITIES))
for name, values in rows.items():
    print(f"{name:39}" + "".join(f"{value:6.1f}" if value > 1 else f"{value:6.2f}" for value in values))
package, reference, right, right_reference = rows.values()
same = [
    equal == {"motion_blur": [(2, 3), (2, 4), (3, 4)], "fog": [(3, 4)]},
    package[1] == package[2] == package[3] and right[1] == right[2] == right[3],
    all(reference[i] > reference[i + 1] + 0.1 for i in range(4)),
    package[0] < reference[1] - 0.2,
]
raise SystemExit(not all(same))
PYTHON
OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore "$folder/severities.py"
