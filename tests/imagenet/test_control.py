"""What is measured on the ImageNet CGN's images, on a small CGN with random weights and by hand."""

import math
from typing import cast

import pytest
import torch
from torch import Tensor

from cgnlib.imagenet import control
from cgnlib.imagenet.biggan import sample_latents
from cgnlib.imagenet.cgn import ImageNetCGN
from cgnlib.imagenet.evaluation import intersection_over_union
from cgnlib.imagenet.sampling import Sampling, sample_shard
from cgnlib.imagenet.toy.parts import toy_parts
from cgnlib.images import to_uint8
from cgnlib.randomness import generator
from cgnlib.toyworld.latents import Z_DIM
from cgnlib.toyworld.reader import Reader
from cgnlib.toyworld.world import Scenes


class Told:
    """A factor reader that gives the logits it was told, whatever the images are."""

    def __init__(self, **labels: Tensor) -> None:
        self.logits = {head: 9.0 * torch.nn.functional.one_hot(each, 10) for head, each in labels.items()}

    def read(self, images: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        return self.logits, torch.zeros(len(images), 1)


def told(**labels: list[int]) -> Reader:
    return cast(Reader, Told(**{head: torch.tensor(each) for head, each in labels.items()}))


def test_measured_images_are_those_that_are_sampled(cgn: ImageNetCGN) -> None:
    sampling = Sampling(7, "random", seed=3, shard=4)
    found = control.measure(cgn.eval(), sampling)
    shards = [sample_shard(cgn, sampling, shard) for shard in range(sampling.shards)]
    assert len(found) == 7
    assert torch.equal(found.labels, torch.cat([shard.labels for shard in shards]))
    assert (found.image.int() - torch.cat([shard.images for shard in shards]).int()).abs().max() <= 1
    assert found.mask.shape == (7, 1, 32, 32) and found.mask.dtype == torch.bool
    assert ((found.area > 0) & (found.area < 1) & (found.residue > 0) & (found.residue < 1)).all()
    assert found.foreground.shape == found.background.shape == (7, 3, 32, 32)


def test_the_teachers_images_share_noise_and_class(cgn: ImageNetCGN) -> None:
    found = control.measure(cgn.eval(), Sampling(5, "tied", seed=1))
    images, masks = control.teacher_images(cgn, found, 1.0, batch=2)
    expected = cgn.teacher(found.u, torch.eye(5)[found.labels[:, 0]])
    assert (images.int() - to_uint8(expected).int()).abs().max() <= 1
    # An untrained CGN starts as its teacher.
    assert torch.equal(masks, found.mask)
    assert control.overlap(masks, found.mask) == 1


def test_true_scenes_follow_noise_and_class_whatever_the_batch() -> None:
    u = sample_latents(6, Z_DIM, 1.0, generator(0, "test"))
    labels = torch.tensor([0, 1, 2, 3, 4, 5])
    whole, split = control.true_scenes(u, labels), control.true_scenes(u, labels, batch=4)
    assert torch.equal(whole.image, split.image)
    assert torch.equal(whole.mask > 0.5, control.true_masks(u, labels, batch=4))
    other = control.true_scenes(u, (labels + 1) % 10)
    assert intersection_over_union(whole.mask, other.mask).max() < 0.99


def test_control_by_hand() -> None:
    labels = torch.tensor([[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 9, 9]])
    read = told(shape=[0, 3, 6, 9], texture=[1, 4, 0, 0], background=[0, 3, 6, 9]).read(labels)[0]
    matrix = control.control_matrix(read, labels)
    assert matrix["shape"] == {"shape": 100, "foreground": 0, "background": 100}
    assert matrix["foreground"] == {"shape": 25, "foreground": 50, "background": 25}
    assert matrix["background"]["background"] == 25
    with pytest.raises(ValueError, match="3 labels for 4 images"):
        control.control_matrix(read, labels[:3])


def test_failures_by_hand() -> None:
    images, classes = torch.zeros(3, 3, 64, 64, dtype=torch.uint8), torch.tensor([1, 2, 3])
    reader = told(shape=[1, 0, 3], texture=[1, 2, 0], background=[0, 2, 3])
    assert control.entangled(images, classes, reader).tolist() == [False, True, True]
    assert control.legible(images, classes, reader).tolist() == [True, False, True]
    assert (control.entanglement(images, classes, reader) > 0.9).tolist() == [False, True, True]
    assert (control.legibility(images, classes, reader) > 0.9).tolist() == [True, False, True]
    assert control.legibility(images, classes, reader)[1].item() == pytest.approx(1 / (9 + math.exp(9)), rel=1e-4)
    likely = control.realism(images, torch.stack([classes] * 3, dim=1), reader)
    one_wrong = -9 / 3  # of three labels, each other logit is 9 below
    assert likely.tolist() == pytest.approx([one_wrong] * 3, abs=0.01)
    assert control.most(torch.tensor([0.1, 0.9, 0.5, 0.9]), 3).tolist() == [1, 3, 2]


def test_what_is_left_of_the_object_in_a_background() -> None:
    mask = torch.zeros(2, 1, 8, 8)
    mask[:, :, 2:6, 2:6] = 1
    truth = Scenes(torch.zeros(2, 3, 8, 8), mask, torch.zeros(2, 3, 8, 8), torch.full((2, 3, 8, 8), 0.5))
    painted = truth.background + 0.1
    left = painted.clone()
    left[1] += 0.2 * mask[1]
    assert control.unpainted(left, truth).tolist() == pytest.approx([1.0, 3.0], abs=1e-4)


def test_shares_by_mask_area() -> None:
    area = torch.tensor([0.05, 0.05, 0.1, 0.25, 1.0])
    table = control.by_area(area, torch.tensor([True, False, True, False, True]))
    assert table["n"].tolist() == [2, 1, 1, 1]
    assert [share.value for share in table["share"]] == [50, 100, 0, 100]
    empty = control.by_area(torch.tensor([0.5]), torch.tensor([True]))
    assert empty["share"].tolist()[:3] == [None] * 3


def test_small_masks_are_compared_within_classes() -> None:
    area = torch.cat([torch.full((50,), 0.05), torch.full((50,), 0.3)])
    hits, one_class = torch.arange(100) < 40, torch.zeros(100, dtype=torch.int64)
    assert control.small_mask_effect(area, hits, one_class) == pytest.approx(80)
    assert control.small_mask_effect(area[40:], hits[40:], one_class[40:]) is None  # 10 small masks
    # All small masks are of class 0, all large ones of class 1: the difference of 80 points may be the classes' own.
    assert control.small_mask_effect(area, hits, (area > 0.1).long()) is None


def test_classes_of_unlike_sizes_weigh_as_by_mantel_and_haenszel() -> None:
    area = torch.tensor([0.05] * 20 + [0.3] * 20 + [0.05] * 10 + [0.3] * 30)
    classes = torch.tensor([0] * 40 + [1] * 40)
    hits = torch.tensor([True] * 20 + [False] * 20 + [False] * 40)  # 100 points within class 0, none within class 1
    assert control.small_mask_effect(area, hits, classes) == pytest.approx(100 * 10 / (10 + 7.5))


def test_growth_of_residue() -> None:
    steady = [0.5, 0.4] * 25
    assert control.residue_growth([*steady[:40], *(value + 0.2 for value in steady[40:])]) == pytest.approx(0.2)
    assert control.residue_growth(steady) == pytest.approx(0)
    assert control.residue_growth([0.1] * 9) is None


def test_the_shape_is_read_where_the_parts_are_true_and_an_untrained_cgn_has_its_teachers_masks() -> None:
    biggan, u2net, _, reader = toy_parts()
    found = control.shape_by_parts(ImageNetCGN(biggan, u2net).eval(), Sampling(60, "random", seed=0, shard=40), reader)
    assert set(found) == {(mask, parts) for mask in control.MASKS for parts in control.PARTS}
    assert found["true", "true"] >= 95  # the reader's own errors
    assert all(found["cgn", parts] == found["teacher", parts] for parts in control.PARTS)
    # Its foreground is a whole scene and its background holds an object: none but true ones let the shape be read.
    assert found["true", "cgn"] < found["true", "foreground"] <= found["true", "true"]


def test_a_shape_that_is_read_is_counted_against_the_label_that_was_asked_for() -> None:
    biggan, u2net, _, _ = toy_parts()
    cgn, sampling = ImageNetCGN(biggan, u2net).eval(), Sampling(4, "fixed", triple=(3, 1, 2))
    for answer, percent in (([3, 3, 3, 1], 75), ([1, 1, 2, 2], 0)):
        assert set(control.shape_by_parts(cgn, sampling, told(shape=answer)).values()) == {percent}
