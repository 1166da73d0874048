#!/usr/bin/env bash
# gcastle 1.0.4: a causal graph without a single direction has a true positive rate of 2 and no errors.
#
# gCastle finds causal graphs, and MetricsDAG compares one that was found with the true one; its documentation gives
# both tpr and recall as TP / (TP + FN), with TP "an edge estimated with correct direction". An undirected edge, by
# which algorithms such as PC answer where the data do not tell the direction, is a pair of ones or, once, a -1.
# Guess, written down before the run, as a user would make it: all rates lie between 0 and 1, tpr equals recall, fdr is
# 1 - precision, and where no edge has been directed, the structural Hamming distance (shd) is not 0. (By then the
# source had been read, and the guess was not trusted.)
# Seen: an undirected edge is counted as two true positives in tpr and as right in shd and fdr, but as one right and one
# wrong edge in precision, recall, F1 and gscore. The answer that tells no direction at all gets tpr 2, fdr 0 and shd 0,
# and F1 2/3. Where half of the edges were missed and the others not directed, tpr is 1, as of the true graph, and
# recall 1/2; so in a mean over graphs what was missed and what was not directed cancel out. The false positive rate
# goes above 1, too: it counts edges that are reversed, but divides by the number of pairs without an edge. In one dict
# stand numbers by two conventions, of which none is named.
#
# Output seen:
#   graph                             tpr   fpr   fdr   shd  recall  precision    F1
#   chain of 9, as it is             1.00  0.00  0.00     0    1.00       1.00  1.00
#   the same, not directed           2.00  0.00  0.00     0    1.00       0.50  0.67
#   half of it, not directed         1.00  0.00  0.00     4    0.50       0.50  0.50
#   34 edges of 10 nodes, reversed   0.00  3.09  1.00    34    0.00       0.00   nan
#   all 45 pairs, not directed       2.00  2.00  0.24    11    1.00       0.38  0.55
#
# Needs Python 3.11 or newer with venv. Exits with 1 if this behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check gcastle==1.0.4 numpy==2.4.6 pandas==3.1.1 \
    scipy==1.17.1 scikit-learn==1.9.1 networkx==3.6.1 matplotlib==3.11.2
cat > "$folder/graphs.py" <<'PYTHON'
import numpy as np
from castle.metrics import MetricsDAG


def measured(found, truth):
    return {name: float(value) for name, value in MetricsDAG(found, truth).metrics.items()}


def not_directed(graph):
    """The same edges, all of them in both directions."""
    return ((graph + graph.T) > 0).astype(int)


def rates(found, truth):
    """Recall and precision over pairs of nodes, directions left aside: what can be said of undirected edges."""
    found, truth = np.triu(not_directed(found)) > 0, np.triu(not_directed(truth)) > 0
    return (found & truth).sum() / truth.sum(), (found & truth).sum() / found.sum()


chain = np.eye(9, k=1, dtype=int)
half = chain.copy()
half[4:] = 0
rng = np.random.default_rng(0)
for share in (0.2, 0.5, 0.8):  # the last one is used
    dense = np.triu((rng.random((10, 10)) < share).astype(int), 1)
pairs = {
    "chain of 9, as it is": (chain, chain),
    "the same, not directed": (not_directed(chain), chain),
    "half of it, not directed": (not_directed(half), chain),
    f"{dense.sum()} edges of 10 nodes, reversed": (dense.T.copy(), dense),
    "all 45 pairs, not directed": (not_directed(np.ones_like(dense) - np.eye(10, dtype=int)), dense),
}
seen = {name: measured(*pair) for name, pair in pairs.items()}
names = ("tpr", "fpr", "fdr", "shd", "recall", "precision", "F1")
print(f"{'graph':31}   tpr   fpr   fdr   shd  recall  precision    F1")
for name, found in seen.items():
    values = (found[each] for each in names)
    print("{:31} {:5.2f} {:5.2f} {:5.2f} {:5.0f} {:7.2f} {:10.2f} {:5.2f}".format(name, *values))
_, plain, missed, reverse, full = seen.values()
assert rates(*pairs["half of it, not directed"]) == (0.5, 1) and rates(*pairs["all 45 pairs, not directed"])[0] == 1
same = [
    (plain["tpr"], plain["fdr"], plain["shd"], plain["precision"]) == (2, 0, 0, 0.5),
    (missed["tpr"], missed["recall"], missed["fdr"], missed["precision"]) == (1, 0.5, 0, 0.5),
    reverse["fpr"] > 3 and full["fpr"] == 2,
]
raise SystemExit(not all(same))
PYTHON
OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore "$folder/graphs.py"
