"""Batches by step number; where and in which precision to train."""

import pytest
import torch

from cgnlib.training import precision
from cgnlib.training.steps import Batches


def test_an_epoch_sees_every_image_once_and_no_part_of_a_batch() -> None:
    batches = Batches(10, 3, 0, "order")
    assert batches.per_epoch == 3
    for epoch in range(3):
        assert len(torch.cat([batches[3 * epoch + i] for i in range(3)]).unique()) == 9
    assert not torch.equal(batches[0], batches[3])


def test_a_batch_depends_on_its_step_alone() -> None:
    one, other = Batches(10, 3, 0, "order"), Batches(10, 3, 0, "order")
    expected = [one[step] for step in range(9)]
    assert all(torch.equal(other[step], expected[step]) for step in (8, 0, 4, 3))
    assert not torch.equal(Batches(10, 3, 1, "order")[0], expected[0])


def test_fewer_images_than_a_batch_are_an_error() -> None:
    with pytest.raises(ValueError, match="2 training images are fewer than one batch of 3: take more"):
        Batches(2, 3, 0)


@pytest.mark.parametrize(("units", "fast"), [("amx_bf16", True), ("avx512_bf16", True), ("avx512f", False)])
def test_networks_run_in_bfloat16_where_the_processor_multiplies_it(units: str, fast: bool, monkeypatch) -> None:
    monkeypatch.setattr(precision, "has_instructions", lambda name: name == units)
    precision.fast_precision.cache_clear()
    try:
        assert precision.fast_precision("cpu") == ("bfloat16" if fast else "float32")
        with precision.fast_autocast("cpu"):
            product = torch.ones(2, 2) @ torch.ones(2, 2)
        assert product.dtype == (torch.bfloat16 if fast else torch.float32)
    finally:
        precision.fast_precision.cache_clear()


def test_the_default_device_is_the_accelerator_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for there, device in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr("torch.cuda.is_available", lambda there=there: there)
        assert precision.default_device() == device
