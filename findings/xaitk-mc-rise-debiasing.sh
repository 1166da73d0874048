#!/usr/bin/env bash
# xaitk-saliency 0.15.0: the sign of MC-RISE's maps is that of the masks, and not of the classifier, unless p1 is 0.5.
#
# MC-RISE paints random parts of an image in given colours, and tells for each place and colour whether that colour there
# raises (above 0) or lowers (below 0) the score of a class. `p1` is the probability of a cell to be left as it is.
# MCRISEStack says: "Debiasing is always on".
# Guess, written down before the run, as a user would make it: for a classifier that only looks how red the middle is,
# the maps are about 0 everywhere else, whatever p1 is; in the middle the map of red is above 0 and that of blue below.
# (By then the source had been read, and the guess was not trusted.)
# Seen: so it is with p1=0.5. With p1=0.3 both maps are above 0 everywhere, and with p1=0.7 below 0 everywhere, blue in
# the middle as red in the corners: every colour at every place seems to speak for the class, or against it.
# What is taken off as bias is right for cells that are painted with probability p1; they are painted with 1 - p1. (With
# MCRISEScoring(p1=1 - p1) on the same masks the maps are as guessed.) In RISEStack, which only paints black, the same p1
# is right. For a coloured MNIST, the question which colour a classifier relies on is answered by p1.
#
# Output seen (mean of the map, which is scaled so that its largest absolute value is 1):
#   p1=0.3   red, middle  0.90  red, elsewhere  0.69  blue, middle  0.61  blue, elsewhere  0.91
#   p1=0.5   red, middle  0.69  red, elsewhere  0.03  blue, middle -0.68  blue, elsewhere -0.02
#   p1=0.7   red, middle -0.88  red, elsewhere -0.95  blue, middle -0.96  blue, elsewhere -0.91
#
# (typing-extensions is needed by the package, but not named in its requirements.)
# Needs Python 3.11 or newer with venv. Exits with 1 if this behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check xaitk-saliency==0.15.0 numpy==2.4.6 \
    scikit-image==0.26.0 scikit-learn==1.9.1 scipy==1.17.1 typing-extensions==4.16.0
cat > "$folder/colours.py" <<'PYTHON'
import numpy as np
from smqtk_classifier.interfaces.classify_image import ClassifyImage
from xaitk_saliency.impls.gen_image_classifier_blackbox_sal.mc_rise import MCRISEStack

image = np.full((64, 64, 3), 128, np.uint8)
middle, near = np.zeros((2, 64, 64), bool)
middle[24:40, 24:40] = True
near[12:52, 12:52] = True  # masks are blurred


class HowRed(ClassifyImage):
    """Two classes, by the mean of red less blue in the middle."""

    def get_labels(self):
        return ["red", "blue"]

    def classify_images(self, images):
        for each in images:
            values = each[middle].astype(float)
            red = 1 / (1 + np.exp((values[:, 2] - values[:, 0]).mean() / 64))
            yield {"red": red, "blue": 1 - red}

    def get_config(self):
        return {}


seen = {}
for p1 in (0.3, 0.5, 0.7):
    method = MCRISEStack(n=2000, s=8, p1=p1, fill_colors=[(255, 0, 0), (0, 0, 255)], seed=0)
    maps = method(image, HowRed())[:, 0]  # class "red", by colour
    seen[p1] = {
        (colour, place): found[where].mean()
        for colour, found in zip(("red", "blue"), maps)
        for place, where in (("middle", middle), ("elsewhere", ~near))
    }
    print(f"p1={p1} ", *(f" {colour}, {place} {mean:5.2f}" for (colour, place), mean in seen[p1].items()))
right = seen[0.5]
assert right["red", "middle"] > 0.4 and right["blue", "middle"] < -0.4
assert all(abs(right[colour, "elsewhere"]) < 0.2 for colour in ("red", "blue"))
raise SystemExit(
    not (all(mean > 0.2 for mean in seen[0.3].values()) and all(mean < -0.2 for mean in seen[0.7].values()))
)
PYTHON
OMP_NUM_THREADS=1 "$folder/venv/bin/python" "$folder/colours.py"
