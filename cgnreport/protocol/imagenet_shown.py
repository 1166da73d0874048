"""What is shown of ImageNet's own CGNs, the authors' and the study's: samples, training, and failures by rule.

Nothing is trained for a figure.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from cgnlib.data.finding import missing
from cgnlib.errors import Blocked, Unavailable, needed
from cgnlib.imagenet import control
from cgnlib.imagenet.cgn import ImageNetCGN, Parts
from cgnlib.imagenet.evaluation import likeness
from cgnlib.imagenet.sampling import Sampling, draw
from cgnlib.imagenet.training import artefact_of
from cgnlib.training.artefact import Artefact
from cgnreport.protocol import imagenet_settings
from cgnreport.protocol.experiments import failed
from cgnreport.protocol.imagenet_cgn import (
    TRIPLES,
    authors_cgn,
    class_index,
    inception_networks,
    study_cgn,
    untrained_cgn,
)
from cgnreport.protocol.imagenet_settings import INCEPTIONS, TORCHVISION
from cgnreport.protocol.parameters import Parameters

T = TypeVar("T")
GALLERY, WORST = 200, 10  # images that failures are sought in, and that are shown of each


def shown_cgn(parameters: Parameters, origin: str = "authors") -> ImageNetCGN | Blocked:
    """A CGN for a page's samples, in eval mode: the authors', or the study's ("paper") once it is trained here.

    Blocked where it is not asked for, missing, damaged, another network, or does not fit into memory.
    """
    if origin == "paper":
        return _tried("the study's CGN", lambda: _trained(parameters)[0])
    lacking = imagenet_settings.blocked("samples", parameters)
    return lacking or _tried("the authors' CGN", lambda: authors_cgn(parameters))


def snapshots(parameters: Parameters) -> dict[int, dict[str, Tensor]] | Blocked:
    """Parts of one tied sample of each of CLASSES through the training of the study's CGN, by update, as
    `sample_classes` gives them; Blocked as `shown_cgn`.
    """
    names = (*Parts._fields, "x_gt")
    found = _tried("the training of the study's CGN", lambda: _trained(parameters)[1].snapshots(names))
    return found or Blocked("the training of the study's CGN kept no images of its course")


def _trained(parameters: Parameters) -> tuple[ImageNetCGN, Artefact]:
    """The study's CGN and its training. Raises Unavailable where that was not finished on this machine."""
    needed(imagenet_settings.blocked("training", parameters, imagenet_settings.TRAINING))
    recipe = imagenet_settings.cgn_recipe(parameters)
    artefact = artefact_of(untrained_cgn(parameters), recipe, "vgg16", parameters.seed, "imagenet")
    if not artefact.record.exists():
        raise Unavailable(Blocked("the study's CGN was not trained on this machine"))
    return study_cgn(parameters, imagenet_settings.device(parameters) or "cpu")


def _tried(what: str, make: Callable[[], T]) -> T | Blocked:
    """What is made, or why it cannot be: a figure on photographs costs the toy world's page nothing else."""
    try:
        return make()
    except Unavailable as error:
        return error.blocked
    except Exception as error:
        return failed(what, error)


class Gallery(NamedTuple):
    """The images in which a failure is largest: parts and the measure, the worst first."""

    parts: Mapping[str, Tensor]
    values: Tensor


def failures(
    cgn: ImageNetCGN, network: nn.Module | Blocked, n: int = GALLERY, shown: int = WORST
) -> dict[str, Gallery | Blocked]:
    """Figures 10 to 12 by rule, of `n` images with tied and as many with free labels; the worst of each failure.

    "entanglement": foregrounds that are most like the teacher's image where the object is not, though they should be
    all object; "residue": backgrounds that are most like it where the object is, though they should be without; both as
    `likeness`, of tied images. "realism": counterfactuals whose three labels `network` (images in [-1, 1] -> logits of
    ImageNet's classes) finds least likely, in mean log-probability; Blocked as the network. Masks above 0.5 are
    object; images with less than a hundredth of object, or of anything else, are not looked at, and where there are no
    others the first two are Blocked.
    """
    found, tied = dict[str, Gallery | Blocked](), _drawn(cgn, "tied", n)
    inside = tied.parts["mask"] > 0.5
    area = inside.float().mean(dim=(1, 2, 3))
    fit = (area >= 0.01) & (area <= 0.99)
    for name, part, where in (("entanglement", "foreground", ~inside), ("residue", "background", inside)):
        values = likeness(tied.parts[part], tied.parts["x_gt"], where)
        found[name] = Blocked("all masks are full or empty")
        if fit.any():
            found[name] = _worst({key: value[fit] for key, value in tied.parts.items()}, values[fit], shown)
    if isinstance(network, Blocked):
        found["realism"] = network
    else:
        free = _drawn(cgn, "random", n)
        with torch.inference_mode():
            device = next(cgn.parameters()).device
            logits = torch.cat([network(part.to(device)).cpu() for part in free.parts["image"].split(50)])
        likely = logits.log_softmax(dim=1).gather(1, free.labels).mean(dim=1)
        worst = _worst(free.parts, -likely, shown)
        found["realism"] = worst._replace(values=-worst.values)
    return found


def galleries(parameters: Parameters, cgn: ImageNetCGN | Blocked) -> dict[str, Gallery | Blocked] | Blocked:
    """`failures` of a CGN on the parameters' device, on which no other cell needs it; Blocked without one."""
    device = imagenet_settings.device(parameters)
    if isinstance(cgn, Blocked):
        return cgn
    if device is None:
        return Blocked("missing a CUDA device", "run on a machine that has one, or set imagenet_device (cpu: an hour)")
    try:
        return _tried("failures of the CGN", lambda: failures(cgn.to(device), judge(parameters, device)))
    finally:
        cgn.cpu()


def judge(parameters: Parameters, device: str = "cpu") -> nn.Module | Blocked:
    """The network of `failures`: torchvision's Inception, whose classes are in ImageNet's order; Blocked without it."""
    lacking = missing([INCEPTIONS[TORCHVISION]], parameters.data_folder)
    return lacking or _tried(TORCHVISION, lambda: inception_networks(parameters, device)[TORCHVISION])


class _Drawn(NamedTuple):
    parts: dict[str, Tensor]
    labels: Tensor


def _drawn(cgn: ImageNetCGN, labels: str, n: int) -> _Drawn:
    """Parts of n images on the CPU; with tied labels the teacher's images, too."""
    parts, asked = [], []
    sampling = Sampling(n, labels, seed=0)
    for shard in range(sampling.shards):
        for drawn in draw(cgn, sampling, shard, batch=10):
            own = drawn.parts._asdict()
            if labels == "tied":
                y = nn.functional.one_hot(drawn.labels[:, 0], cgn.num_classes).float()
                own["x_gt"] = cgn.teacher(drawn.u, y, sampling.truncation).detach()
            parts.append({name: value.cpu() for name, value in own.items()})
            asked.append(drawn.labels.cpu())
    return _Drawn({name: torch.cat([each[name] for each in parts]) for name in parts[0]}, torch.cat(asked))


def _worst(parts: Mapping[str, Tensor], values: Tensor, shown: int) -> Gallery:
    chosen = control.most(values, shown)
    return Gallery({name: value[chosen] for name, value in parts.items()}, values[chosen])


def triples() -> list[tuple[int, int, int]]:
    """Figure 7's labels as ImageNet's indices: shape, texture, background."""
    return [(class_index(shape), class_index(texture), class_index(scene)) for shape, texture, scene in TRIPLES]
