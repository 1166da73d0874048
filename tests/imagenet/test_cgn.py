from pathlib import Path

import pytest
import torch
from torch import Tensor

from cgnlib.composition import compose
from cgnlib.imagenet.biggan import sample_latents
from cgnlib.imagenet.cgn import MASK_EPS, ImageNetCGN, Labels, load_published
from cgnlib.training.weights import save_tensors
from tests.imagenet.conftest import small_cgn


def latents(cgn: ImageNetCGN, n: int = 3, seed: int = 0) -> Tensor:
    return sample_latents(n, cgn.z_dim, 1.0, torch.Generator().manual_seed(seed))


def labels(*rows: tuple[int, int, int]) -> Labels:
    shape, texture, background = torch.tensor(rows).T
    return Labels.of(shape, texture, background, 5)


def test_parts_have_their_shapes_and_ranges_and_make_the_image(cgn: ImageNetCGN) -> None:
    parts = cgn(latents(cgn), labels((0, 1, 2), (3, 4, 0), (1, 1, 1)))
    for image in (parts.premask, parts.foreground, parts.background, parts.image):
        assert image.shape == (3, 3, 32, 32) and image.abs().max() <= 1
    assert parts.mask.shape == (3, 1, 32, 32)
    assert parts.mask.min() >= MASK_EPS and parts.mask.max() <= 1 - MASK_EPS
    torch.testing.assert_close(parts.image, compose(parts.mask, parts.foreground, parts.background))


def test_untrained_mechanisms_draw_what_the_teacher_draws(cgn: ImageNetCGN) -> None:
    u, tied = latents(cgn), labels((0, 0, 0), (2, 2, 2), (4, 4, 4))
    parts, x_gt = cgn.eval()(u, tied), cgn.teacher(u, tied.shape)
    for image in (parts.premask, parts.foreground, parts.background, parts.image):
        torch.testing.assert_close(image, x_gt, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("factor", [0, 1, 2])
def test_each_label_changes_its_own_part_alone(cgn: ImageNetCGN, factor: int) -> None:
    cgn.eval()
    row = [1, 1, 1]
    row[factor] = 3
    before, after = cgn(latents(cgn, 1), labels((1, 1, 1))), cgn(latents(cgn, 1), labels((row[0], row[1], row[2])))
    for index, name in enumerate(("premask", "foreground", "background")):
        same = torch.equal(getattr(before, name), getattr(after, name))
        assert same == (index != factor), name


def test_teacher_and_u2net_are_frozen_and_stay_in_eval_mode(cgn: ImageNetCGN) -> None:
    cgn.train()
    assert not cgn.biggan_GT.training and not cgn.u2net.training and cgn.f_shape.training
    trainable = {name.split(".")[0] for name, parameter in cgn.named_parameters() if parameter.requires_grad}
    assert trainable == {"f_shape", "f_text", "f_bg"}


def test_recomputing_does_not_change_a_training() -> None:
    """In train mode every use of a weight moves its singular vectors: computed again, it must not move them again."""
    found = []
    for recompute in (False, True):
        cgn = small_cgn(recompute).train()
        optimizer = torch.optim.SGD([p for p in cgn.parameters() if p.requires_grad], lr=0.1)
        for seed in range(3):
            optimizer.zero_grad()
            cgn(latents(cgn, seed=seed), labels((0, 1, 2), (1, 2, 3), (2, 3, 4))).image.square().mean().backward()
            optimizer.step()
        found.append(cgn.state_dict())
    start = small_cgn().state_dict()["f_text.generator.gen_z.weight_u"]
    assert not torch.equal(found[0]["f_text.generator.gen_z.weight_u"], start)
    for name, tensor in found[0].items():
        torch.testing.assert_close(found[1][name], tensor, msg=name)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_the_authors_layout_loads(tmp_path: Path, cgn: ImageNetCGN, prefix: str) -> None:
    state = {name: torch.rand_like(t) if t.is_floating_point() else t for name, t in cgn.state_dict().items()}
    assert {name.split(".")[0] for name in state} == {"biggan_GT", "f_shape", "f_text", "f_bg", "u2net"}
    save_tensors({prefix + name: tensor for name, tensor in state.items()}, tmp_path / "cgn.safetensors")
    loaded = load_published(tmp_path / "cgn.safetensors", small_cgn())
    assert not loaded.training
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, state[name]), name


def test_loading_forgets_what_was_made_of_the_old_u2net(tmp_path: Path, cgn: ImageNetCGN) -> None:
    images = torch.rand(2, 3, 32, 32)
    before = cgn.saliency(images)
    state = {n: t * 1.1 if n.startswith("u2net") and t.is_floating_point() else t for n, t in cgn.state_dict().items()}
    save_tensors(state, tmp_path / "cgn.safetensors")
    assert not torch.allclose(load_published(tmp_path / "cgn.safetensors", cgn).saliency(images), before)
