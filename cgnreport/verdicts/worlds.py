"""Where a claim was tested, and whose method it was: the rows and columns of the matrix of verdicts.

A world is added by an entry in WORLDS, with the variants that its findings name; headings, units and the matrix follow.
"""

from dataclasses import dataclass

from cgnlib.mnist.names import VARIANTS


@dataclass(frozen=True)
class World:
    """Images of one kind. name: as readers call it; half: of the report that judges it, as in `Claim.half`.

    whose: the method that all its CGNs are of, one of WHOSE; "" where each recipe has CGNs of its own. study: whether
    the study tested there.
    """

    key: str
    name: str
    half: str
    variants: tuple[str, ...]
    whose: str = ""
    study: bool = True


WHOSE = {"authors": "the authors' weights", "paper": "the paper's recipe", "robust": "our recipe"}
WORLDS = {
    world.key: world
    for world in (
        World("mnist", "MNIST", "mnist", VARIANTS),
        World("toy", "toy world", "imagenet", ("toy",), whose="robust", study=False),
        World(
            "imagenet",
            "ImageNet",
            "imagenet",
            ("imagenet", "imagenet-9", "imagenet-mini", "cue-conflict", "efficientnet-lite0"),
            whose="authors",
        ),
    )
}
_OF_VARIANT = {variant: world for world in WORLDS.values() for variant in world.variants}


def world_of(variant: str) -> World:
    """The world that a variant belongs to. Raises ValueError for a variant that none names."""
    if variant not in _OF_VARIANT:
        raise ValueError(f"no world names the variant '{variant}': add it to cgnreport.verdicts.worlds.WORLDS")
    return _OF_VARIANT[variant]
