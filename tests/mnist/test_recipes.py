"""The presets of CGN training."""

from dataclasses import asdict, replace

import pytest

from cgnlib.mnist.recipes import ROBUST, changes, recipe_fields, recipe_for, recipe_hash


@pytest.mark.parametrize("variant", ROBUST)
def test_a_changed_recipe_is_ours_but_for_its_change(variant: str) -> None:
    ours = asdict(ROBUST[variant])
    for name, changed in changes(variant).items():
        assert all(ours[key] != value for key, value in changed.items() if key != "initialisation"), name
        assert asdict(recipe_for(name, variant)) == ours | changed | {"name": name}


def test_fields_that_change_nothing_name_no_other_cgn() -> None:
    """The hashes of the recipes whose CGNs are published."""
    assert recipe_hash(recipe_for("robust", "colored")) == "b4f8be44"
    assert "found_masks" in recipe_fields(recipe_for("paper-masks", "colored"))
    assert "by_image" in recipe_fields(recipe_for("no-masks", "colored"))
    assert {"found_masks", "by_image"}.isdisjoint(
        {*recipe_fields(recipe_for("paper", "wildlife")), *recipe_fields(recipe_for("robust", "wildlife"))}
    )


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown recipe 'rubust'; did you mean 'robust'"):
        recipe_for("rubust", "colored")
    with pytest.raises(ValueError, match="unknown variant 'coloured'; did you mean 'colored'"):
        recipe_for("paper", "coloured")


def test_batches_that_cannot_be_made_are_refused() -> None:
    with pytest.raises(ValueError, match="batches of a multiple of 4, .* not 18 and 16"):
        replace(ROBUST["double-colored"], batch_size=18)
    for wrong in (4, 68):  # textures of a single class; more than there are images
        with pytest.raises(ValueError, match=f"not 64 and {wrong}"):
            replace(ROBUST["double-colored"], texture_batch=wrong)
    with pytest.raises(ValueError, match="multiple of 4, not 18"):  # groups of one class, as found masks need
        replace(recipe_for("paper-masks", "colored"), batch_size=18)
    with pytest.raises(ValueError, match="texture_batch of a multiple of 4: images are judged, too"):
        replace(recipe_for("no-masks", "colored"), texture_batch=10)


def test_a_weight_that_would_do_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="recipe robust has no entropy of the mask to weight"):
        replace(ROBUST["wildlife"], lambda_mask=0.3)
