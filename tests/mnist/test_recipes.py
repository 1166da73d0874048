"""The presets of CGN training."""

from dataclasses import asdict, replace

import pytest

from cgnlib.mnist.recipes import PAPER, ROBUST, AdversarialRecipe, changes, recipe_for


@pytest.mark.parametrize(
    ("variant", "initialisation", "gain", "discriminator", "lambda_mask", "style_weights"),
    [
        ("colored", "orthogonal", 0.1, "linear", 0.1, (0.05, 0.1, 0.01, 0)),
        ("double-colored", "orthogonal", 0.2, "linear", 0.3, (0, 0.05, 0, 0.05)),
        ("wildlife", "normal", 0.03, "conv", 0.3, (0.01, 0.05, 0, 0.01)),
    ],
)
def test_published_settings(variant, initialisation, gain, discriminator, lambda_mask, style_weights) -> None:
    recipe = recipe_for("paper", variant)
    assert isinstance(recipe, AdversarialRecipe)
    assert (recipe.initialisation, recipe.gain, recipe.discriminator) == (initialisation, gain, discriminator)
    assert (recipe.lambda_mask, recipe.style_weights) == (lambda_mask, style_weights)
    assert (recipe.images, recipe.batch_size) == (750_000, 16)
    assert recipe.images // recipe.batch_size == 46_875
    assert (recipe.learning_rate, recipe.betas, recipe.final_learning_rate) == (2e-4, (0.5, 0.999), 1.0)
    assert (recipe.warm_up, recipe.ema) == (0, 0)


def test_every_variant_has_both_recipes() -> None:
    assert set(PAPER) == set(ROBUST) == {"colored", "double-colored", "wildlife"}
    assert all(recipe.name == "robust" for recipe in ROBUST.values())


@pytest.mark.parametrize("variant", ROBUST)
def test_a_changed_recipe_is_ours_but_for_its_change(variant: str) -> None:
    ours = asdict(ROBUST[variant])
    for name, changed in changes(variant).items():
        assert all(ours[key] != value for key, value in changed.items() if key != "initialisation"), name
        assert asdict(recipe_for(name, variant)) == ours | changed | {"name": name}


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
