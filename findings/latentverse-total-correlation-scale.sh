#!/usr/bin/env bash
# latentverse 0.3.5: three inactive latents make the total correlation 0, and MIG falls with the number of images.
#
# latentverse evaluates latent representations; run_disentanglement ("How independent are the latent dimensions?") gives
# DCI, MIG, SAP and total correlation, for one factor or for a matrix of factors.
# Guess, written down before the run, as a user would make it: for latents that are the factors but for a little noise,
# MIG is near 1 and SAP high, the same for factors one by one or as a matrix, whatever numbers stand for the classes;
# total correlation is above 0 for dependent latents and does not change with their scale. (By then the source had been
# read, and the guess was not trusted.)
# Seen: total correlation is by the usual formula for normal variables, but 0 if the product of the variances is not
# above 1e-10: three inactive latents of a VAE, with a spread of 0.01, are enough, or ten latents times 0.25. For a
# continuous factor MIG is divided by the logarithm of the number of images, as no two values are the same: that of one
# and the same code goes from 0.45 to 0.31 with more images. And a factor of ten classes (shape, texture, background) is
# for a classifier if given alone, and a quantity if in a matrix: there SAP depends on how the classes are numbered.
#
# Output seen:
#   total correlation                    latentverse  formula
#   6 dependent latents                         3.12     3.13
#   6 dependent and 2 inactive ones             3.12     3.13
#   6 dependent and 3 inactive ones             0.00     3.13
#   10 dependent latents                        6.05     6.06
#   10 dependent latents, times 0.25            0.00     6.06
#   MIG of a continuous factor plus noise, two other latents
#      250 images                            0.45
#     1000 images                            0.38
#     4000 images                            0.31
#   SAP of three factors with ten classes each, a latent for each of them
#   numbered as in the latents           one by one 0.89, as a matrix 1.01
#   numbered otherwise                   one by one 0.89, as a matrix 0.06
#
# Needs Python 3.11 or newer with venv. Exits with 1 if this behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"  # without torch, which this part of the package does not use
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 pandas==3.1.1 scipy==1.17.1 \
    scikit-learn==1.9.1 matplotlib==3.11.2 seaborn==0.13.2 joblib==1.6.0
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps latentverse==0.3.5
cat > "$folder/latents.py" <<'PYTHON'
import contextlib
import io

import numpy as np

with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    from latentverse import run_disentanglement  # tells what else could be installed

rng = np.random.default_rng(0)


def normal(size, columns):
    return rng.normal(size=(size, columns))


def measured(latents, factors, name):
    return float(run_disentanglement(latents, factors)["metrics"][name])


print("total correlation                    latentverse  formula")
common = normal(1000, 1)
six, ten = common + 0.5 * normal(1000, 6), common + 0.5 * normal(1000, 10)
cases = {
    "6 dependent latents": six,
    "6 dependent and 2 inactive ones": np.hstack([six, 0.01 * normal(1000, 2)]),
    "6 dependent and 3 inactive ones": np.hstack([six, 0.01 * normal(1000, 3)]),
    "10 dependent latents": ten,
    "10 dependent latents, times 0.25": 0.25 * ten,
}
classes = rng.integers(0, 2, 1000)
total = {}
for name, latents in cases.items():
    by_formula = -np.linalg.slogdet(np.corrcoef(latents.T))[1] / 2
    total[name] = measured(latents, classes, "TC"), float(by_formula)
    print(f"{name:36} {total[name][0]:11.2f} {total[name][1]:8.2f}")
print("MIG of a continuous factor plus noise, two other latents")
gaps = {}
for size in (250, 1000, 4000):
    factor = rng.uniform(size=size)
    latents = np.column_stack([factor + rng.normal(0, 0.02, size), normal(size, 2)])
    gaps[size] = measured(latents, factor, "MIG")
    print(f"{size:6} images {gaps[size]:31.2f}")
print("SAP of three factors with ten classes each, a latent for each of them")
numbers = rng.integers(0, 10, (1000, 3))
latents = numbers + 0.05 * normal(1000, 3)
sap = {}
for name, factors in (("numbered as in the latents", numbers), ("numbered otherwise", rng.permutation(10)[numbers])):
    alone = np.mean([measured(latents, factor, "SAP") for factor in factors.T])
    sap[name] = float(alone), measured(latents, factors, "SAP")
    print(f"{name:36} one by one {sap[name][0]:.2f}, as a matrix {sap[name][1]:.2f}")
(same_alone, as_quantity), (other_alone, other_quantity) = sap.values()
same = [
    all(abs(total[name][0] - total[name][1]) < 0.1 for name in list(cases)[0:4] if "3 inactive" not in name),
    all(total[name][0] == 0 and total[name][1] > 3 for name in list(cases)[2::2]),
    gaps[250] > gaps[1000] + 0.03 and gaps[1000] > gaps[4000] + 0.03,
    as_quantity > 0.95 and other_quantity < 0.5 and same_alone > 0.8 and other_alone > 0.8,
]
raise SystemExit(not all(same))
PYTHON
OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore "$folder/latents.py"
