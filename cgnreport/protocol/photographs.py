"""The world of photographs, in rows: which masks count, the background challenge, suppression, and composition without
a generator. `python -m cgnreport.protocol.photographs` makes all rows and keeps them.
"""

import functools
import time
from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor

from cgnlib.data.finding import missing
from cgnlib.data.photographs import FAULTS, balanced, counting, fault, overlap, photographs
from cgnlib.errors import Blocked, Unavailable, known, needed
from cgnlib.imagenet.frozen import train_heads
from cgnlib.imagenet.imagenet9 import predict
from cgnlib.imagenet.names import FACTORS, NINE
from cgnlib.imagenet.networks import NEEDED, NORMALISATIONS, Pretrained, pretrained
from cgnlib.imagenet.photographs import (
    MIXED,
    SETS,
    SUPPRESSIONS,
    Photographs,
    challenge,
    counterfactuals,
    donors,
    mixed,
    opened,
    suppressed,
)
from cgnlib.paths import build_folder
from cgnlib.progress import tqdm
from cgnlib.randomness import derive_seed, generator
from cgnlib.statistics import paired_bootstrap
from cgnlib.training.weights import fingerprint, load_tensors, save_tensors
from cgnreport.protocol import imagenet_settings
from cgnreport.protocol.ensembles import Right, gap_numbers, share
from cgnreport.protocol.experiments import Measured, Rows, Study, measure_command
from cgnreport.protocol.imagenet_settings import COMPOSED, COMPOSITIONS, FOLDS, HEADS_ALONE, LITE0, WITH_BLOCK
from cgnreport.protocol.parameters import Parameters
from cgnreport.protocol.rows import Number

DRAWS = 2  # mixed sets of each kind, whose donors differ
FEATURES_VERSION = 1  # of how the sets are made whose features are kept
POOL = 11 * COMPOSED // 5  # composed images in all, of which each split takes those without a photograph of its test


class PhotographStudy(Study):
    """Experiments on photographs at one set of parameters; what they need is read where rows are missing."""

    def __init__(self, parameters: Parameters) -> None:
        super().__init__(parameters, "cpu")
        self._networks: dict[str, Pretrained] = {}
        self._tests: dict[str, dict[str, Tensor]] = {}
        self._splits: dict[tuple[str, int, str], tuple[dict[str, Right], list[Number]]] = {}

    @functools.cached_property
    def photographs(self) -> Photographs:
        """Those whose masks count, `imagenet_photographs` of them. Raises Unavailable where there are none."""
        needed(missing(["photographs"], self.parameters.data_folder))
        found, _ = counting(photographs(self.parameters.data_folder))
        return opened(balanced(found, self.parameters.imagenet.photographs))

    def network(self, name: str) -> Pretrained:
        """A network of NORMALISATIONS. Raises Unavailable where its file is not at hand."""
        needed(missing(NEEDED.get(name, ()), self.parameters.data_folder))
        if name not in self._networks:
            self._networks[name] = pretrained(name, self.parameters.data_folder)
        return self._networks[name]

    # --- Masks ------------------------------------------------------------------------------------------------------

    def mask_rows(self) -> Rows:
        """Rows of which masks count (photographs-masks): "counted", also by class, "left-out/<fault>", each in percent
        of the photographs, and the mean IoU with true masks, of masks that count and of others ("iou/left-out").
        """

        def measure(_: int) -> Measured:
            needed(missing(["photographs"], self.parameters.data_folder))
            everything = photographs(self.parameters.data_folder)
            found, faults = counting(everything)
            counts, n = Counter(each.label for each in found), len(found) + len(faults)
            total = Counter(each.label for each in everything if each.true_mask_file is None)
            numbers = [Number("counted", 100 * len(found) / n, n)]
            for label, name in enumerate(NINE):
                numbers.append(Number(f"counted/{name}", 100 * counts[label] / total[label], total[label]))
            numbers += [Number(f"left-out/{name}", 100 * faults.count(name) / n, n) for name in FAULTS]
            true = [(each.mask(), mask) for each in everything if (mask := each.true_mask()) is not None]
            for name, chosen in (("counted", True), ("left-out", False)):
                shares = [overlap(*pair) for pair in true if (not fault(pair[0])) is chosen]
                if shares:
                    numbers.append(Number(f"iou/{name}", float(np.mean(shares)), len(shares), "fraction"))
            return Measured(numbers)

        return self.rows(imagenet_settings.photographs(self.parameters, "photographs-masks", "is-net"), measure, [0])

    # --- Networks as they are ---------------------------------------------------------------------------------------

    def background_rows(self, name: str) -> Rows:
        """Rows of a network in the background challenge (photographs-background), all over the nine classes.

        "accuracy/<set>", of original also by class; "bg-gap", mixed-same minus mixed-rand, and "bg-gap/next", minus
        mixed-next, paired, in points. n: photographs, over which intervals are; mixed sets are drawn DRAWS times.
        """

        def measure(_: int) -> Measured:
            network, start, labels = self.network(name), time.perf_counter(), self.photographs.labels
            draws = {each: range(DRAWS if each in MIXED else 1) for each in SETS}
            right = {
                each: torch.stack(
                    [self._right(network, challenge(self.photographs, each, 0, draw)) for draw in draws[each]]
                )
                for each in tqdm(SETS, desc=f"{name}: background challenge")
            }
            numbers = [self._mean(f"accuracy/{each}", found) for each, found in right.items()]
            for label, of in enumerate(NINE):
                own = right["original"][0][labels == label]
                numbers.append(Number(f"accuracy/original/{of}", 100 * own.double().mean().item(), len(own)))
            for metric, other in (("bg-gap", "mixed-rand"), ("bg-gap/next", "mixed-next")):
                numbers.append(self._mean(metric, right["mixed-same"].long() - right[other].long(), "points"))
            return Measured(numbers, time.perf_counter() - start)

        setting = imagenet_settings.photographs(self.parameters, "photographs-background", name, draws=DRAWS)
        return self.rows(setting, measure, [0])

    def suppression_rows(self, name: str) -> Rows:
        """Rows of a network under SUPPRESSIONS (photographs-suppression): "accuracy/<suppression>" over the nine
        classes, and "accuracy/original" beside. n: photographs, over which intervals are.
        """

        def measure(_: int) -> Measured:
            network, start = self.network(name), time.perf_counter()
            right = {"original": self._right(network, challenge(self.photographs, "original"))}
            for each in tqdm(SUPPRESSIONS, desc=f"{name}: suppression"):
                right[each] = self._right(network, suppressed(self.photographs, each))
            numbers = [self._mean(f"accuracy/{each}", found[None]) for each, found in right.items()]
            return Measured(numbers, time.perf_counter() - start)

        return self.rows(imagenet_settings.photographs(self.parameters, "photographs-suppression", name), measure, [0])

    def _right(self, network: Pretrained, batches: Iterable[Tensor]) -> Tensor:
        """(N,) bool: whether the class is the photograph's own."""
        return torch.cat([predict(network(images)) for images in batches]) == self.photographs.labels

    def _mean(self, metric: str, found: Tensor, unit: str = "percent") -> Number:
        """Mean over photographs of (draws, N) hits or differences, with its interval over photographs."""
        draw = np.random.default_rng(derive_seed(0, "photographs", metric))
        mean = paired_bootstrap(found.long().sum(dim=0).numpy(), draw).scaled(100 / len(found))
        return Number(metric, mean.value, found.shape[1], unit, low=mean.low, high=mean.high)

    # --- Composition without a generator ----------------------------------------------------------------------------

    @functools.cached_property
    def folds(self) -> Tensor:
        """(N,) int64: the split in whose test a photograph is; of each class as many in each, but for one.

        Raises Unavailable where a split would have fewer than two of a class: in mixed-same each is before another.
        """
        labels, stream = self.photographs.labels, generator(0, "photographs", "folds")
        least, there = 2 * FOLDS, int(labels.bincount(minlength=len(NINE)).min())
        if there < least:
            enough = f"set imagenet_photographs: null, or {least * len(NINE)} at least"
            remedy = enough if self.parameters.imagenet.photographs else "add photographs whose masks count"
            raise Unavailable(Blocked(f"composition needs {least} photographs of each class, not {there}", remedy))
        folds = torch.zeros_like(labels)
        for label in labels.unique().tolist():
            own = (labels == label).nonzero()[:, 0]
            folds[own[torch.randperm(len(own), generator=stream)]] = torch.arange(len(own)) % FOLDS
        return folds

    def triples(self, tied: bool) -> Tensor:
        """(POOL, 3) indices of photographs for shape, texture and background: of classes drawn at random, each as
        likely, one for all three (tied) or one for each.
        """
        stream, labels = generator(0, "photographs", "triples", "tied" if tied else "free"), self.photographs.labels
        classes = torch.randint(len(NINE), (POOL, 1 if tied else 3), generator=stream).expand(POOL, 3)
        draws = torch.rand(POOL, 3, generator=stream)
        by_class = [(labels == label).nonzero()[:, 0] for label in range(len(NINE))]
        chosen = [
            [int(by_class[c][int(u * len(by_class[c]))]) for c, u in zip(*pair, strict=True)]
            for pair in zip(classes.tolist(), draws.tolist(), strict=True)
        ]
        return torch.tensor(chosen)

    def tests(self, trained: str) -> dict[str, Tensor]:
        """What is trained on reads of test images by set, photographs of one split among themselves: (N, ...), of mixed
        sets and of those with three labels ("free") DRAWS times, one after the other.
        """
        if trained in self._tests:
            return self._tests[trained]
        n = len(self.photographs)
        everything = torch.arange(n)
        sets: dict[str, Callable[[], Iterable[Tensor]]] = {"original": lambda: challenge(self.photographs, "original")}
        for name in ("mixed-same", "mixed-rand"):
            pairs = torch.cat([self._donors(name, draw) for draw in range(DRAWS)])
            sets[name] = lambda to=pairs: mixed(self.photographs, everything.repeat(DRAWS), to)
        sets["free"] = lambda: counterfactuals(self.photographs, everything.repeat(DRAWS), *self._free)
        self._tests[trained] = {
            name: self._described(name, batches, n if name == "original" else n * DRAWS, trained)
            for name, batches in sets.items()
        }
        return self._tests[trained]

    @functools.cached_property
    def _free(self) -> tuple[Tensor, Tensor]:
        """Photographs that give texture and background to those of the test set "free"."""
        texture, background = (
            torch.cat([self._donors("mixed-rand", DRAWS * step + draw) for draw in range(DRAWS)]) for step in (1, 2)
        )
        return texture, background

    def _donors(self, name: str, draw: int) -> Tensor:
        return donors(self.photographs.labels, name, generator(0, "photographs", "test", name, draw), self.folds)

    def pool(self, method: str, trained: str) -> tuple[Tensor, Tensor]:
        """What is trained on reads of composed images (POOL, ...), and the photographs (POOL, 3) they are made of."""
        triples = self.triples(tied=method == "original+tied")
        shapes, textures, backgrounds = triples.unbind(dim=1)
        made = (self.photographs, shapes, textures, backgrounds)
        return self._described(method, lambda: counterfactuals(*made), POOL, trained), triples

    def _described(self, name: str, batches: Callable[[], Iterable[Tensor]], n: int, trained: str) -> Tensor:
        """Features (n, D) of n images or, for the last block, the maps (n, C, h, w) that it reads.

        Computed once: they are kept in the build folder, by network, photographs and name of the set.
        """
        network = self.network(LITE0)
        describe, dtype = network.describe, torch.float32
        if trained == WITH_BLOCK:
            describe, dtype, name = network.before_last_block, torch.float16, f"{name}-maps"
        of = FEATURES_VERSION, fingerprint(network.network), self.photographs.sha256
        digest = derive_seed(0, *of, n, name)
        file = build_folder() / "artefacts" / "photographs" / f"{name}-{n}-{digest:x}.safetensors"
        if not file.exists():
            parts = [describe(images).to(dtype) for images in tqdm(batches(), desc=f"features: {name}")]
            save_tensors({"features": torch.cat(parts)}, file)
        return load_tensors(file, f"features: {name}", ["features"], n)["features"].float()

    def composition_rows(self, method: str, trained: str = HEADS_ALONE) -> Rows:
        """Rows of heads on a frozen network (photographs-composition): a split by photograph is a random seed.

        Metrics of Table 5 (`gap_numbers`) of shape_texture and avg, of "original" of avg alone; "named/<factor>" of
        each head: the share of images with three free labels in which it names that factor's class. method:
        "original", photographs alone; "original+tied", with composed images whose three photographs are of one class;
        "original+composed", with as many whose three are of free classes. trained: one of TRAINED.
        """
        known("method", method, COMPOSITIONS)

        def measure(fold: int) -> Measured:
            start = time.perf_counter()
            right, named = self._split(method, fold, trained)
            base = None if method == "original" else self._split("original", fold, trained)[0]["avg"]
            return Measured([*gap_numbers(right, "last", base), *named], time.perf_counter() - start)

        return self.rows(imagenet_settings.composition(self.parameters, method, trained), measure, range(FOLDS))

    def _split(self, method: str, fold: int, trained: str) -> tuple[dict[str, Right], list[Number]]:
        """Heads trained on the photographs of all other splits: where they are right on those of this one."""
        key = method, fold, trained
        if key not in self._splits:
            self._splits[key] = self._trained(*key)
        return self._splits[key]

    def _trained(self, method: str, fold: int, trained: str) -> tuple[dict[str, Right], list[Number]]:
        labels, train, test = self.photographs.labels, self.folds != fold, self.folds == fold
        tests = self.tests(trained)
        composed = None
        if method != "original":
            features, triples = self.pool(method, trained)
            usable = train[triples].all(dim=1).nonzero()[:COMPOSED, 0]
            if len(usable) < COMPOSED:
                raise ValueError(f"only {len(usable)} composed images without a photograph of split {fold}")
            composed = features[usable], labels[triples[usable]]
        real = tests["original"][train]
        block = self.network(LITE0).trainable_block() if trained == WITH_BLOCK else None
        heads = train_heads(real, labels[train], composed, len(NINE), seed=fold, block=block)
        logits = {name: heads(found[test.repeat(len(found) // len(test))]) for name, found in tests.items()}
        own = {name: labels[test].repeat(len(found.avg) // int(test.sum())) for name, found in logits.items()}
        right: dict[str, Right] = {
            output: {
                name: found.output(output).argmax(dim=1) == own[name]
                for name, found in logits.items()
                if name != "free"
            }
            for output in (("avg",) if method == "original" else ("shape_texture", "avg"))
        }
        of = dict(zip(FACTORS, (own["free"], *(labels[each][test.repeat(DRAWS)] for each in self._free)), strict=True))
        named = [
            share(f"named/{factor}", logits["free"].output(head).argmax(dim=1) == truth, head, "last")
            for head in ("avg", *FACTORS)
            for factor, truth in of.items()
        ]
        return right, named


def main(arguments: list[str] | None = None) -> int:
    """Measure on photographs what is named, or everything, and keep the rows."""
    parts: dict[str, Callable[[PhotographStudy], list[Rows]]] = {"masks": lambda study: [study.mask_rows()]}
    for name in NORMALISATIONS:
        parts[name] = lambda study, of=name: [study.background_rows(of), study.suppression_rows(of)]
    for name, trained in {"composition": HEADS_ALONE, "composition-block": WITH_BLOCK}.items():
        parts[name] = lambda study, of=trained: [study.composition_rows(method, of) for method in COMPOSITIONS]
    gap = {"metric": "bg-gap"}, "{method} {output} {seed}: {value:.1f} points [{low:.1f}, {high:.1f}] (n = {n:,})"
    about = main.__doc__ or ""
    return measure_command(
        "photographs", about, PhotographStudy, parts, says=gap, arguments=arguments, changes={"reuse_rows": False}
    )


if __name__ == "__main__":
    raise SystemExit(main())
