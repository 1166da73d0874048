"""The field's baselines and counterfactuals where colour or texture agrees with the class less and less often.

`python -m cgnreport.protocol.sweep --part double-colored:irm --seed 1` measures a method's points and keeps their rows.
"""

from collections.abc import Callable
from itertools import product

from cgnlib.images import LabelledImages
from cgnlib.mnist.baselines import TOLD, BaselineConfig, Correlated, correlated, train_baseline, worst_group
from cgnlib.mnist.classifier import correct, train_classifier
from cgnlib.mnist.counterfactuals import CounterfactualStream
from cgnlib.mnist.names import VARIANTS
from cgnlib.mnist.recipes import MechanismRecipe
from cgnlib.mnist.training import train_cgn
from cgnlib.mnist.without_cgn import PREPROCESSING, preprocessed
from cgnreport.protocol.experiments import Measured, Rows, measure_command
from cgnreport.protocol.mnist import MnistStudy
from cgnreport.protocol.mnist_experiments import accuracy_numbers
from cgnreport.protocol.mnist_settings import CGNSetting
from cgnreport.protocol.parameters import SWEEP
from cgnreport.protocol.rows import Number


def sweep_rows(study: MnistStudy, variant: str, method: str, agreement: float) -> Rows:
    """Rows of one of `parameters.SWEEP` at one agreement (experiment mnist-sweep): "accuracy/test", with free factors,
    and "accuracy/worst-group", of the groups of class and whether colour agrees with it. Blocked where a method is
    refused.
    """
    setting, cgn = study.settings.sweep(variant, method, agreement)

    def measure(seed: int) -> Measured:
        textures = study.textures if variant == "wildlife" else None
        data = correlated(variant, agreement, study.digits, textures, limit=study.mnist.train_images)
        plain = study.images(variant, "test")
        test = preprocessed(plain, method) if method in PREPROCESSING else plain
        config = study.settings.classifier
        if method in TOLD:
            classifier, history, seconds = train_baseline(
                method, data, {"test": test}, BaselineConfig(config), seed, device=study.device
            )
        else:
            training = _training_set(study, data, method, cgn)
            classifier, history, artefact = train_classifier(
                training, {"test": test}, config, seed, device=study.device
            )
            seconds = artefact.seconds
        accuracy, n = worst_group(correct(classifier, test), plain)
        worst = Number("accuracy/worst-group", accuracy, n, epoch="last")
        return Measured([*accuracy_numbers(history, "test"), worst], seconds)

    return study.rows(setting, measure, study.settings.sweep_seeds)


def _training_set(study: MnistStudy, data: Correlated, method: str, cgn: CGNSetting | None) -> LabelledImages:
    """The images themselves, preprocessed, or counterfactuals of a CGN that is trained on them."""
    if cgn is None or cgn.training is None:
        return preprocessed(data.images, method)
    features = None if isinstance(cgn.training, MechanismRecipe) else study.features
    trained, _ = train_cgn(data.images, cgn.training, study.seed, features=features, device=study.device)
    n, ratio = study.mnist.counterfactuals, study.mnist.cf_ratio
    return CounterfactualStream(trained, n, study.seed, ratio=ratio, source=data.images.name).collect()


def main(arguments: list[str] | None = None) -> int:
    """Train a classifier at each agreement for the variants and methods that are named, and keep its rows."""
    parts: dict[str, Callable[[MnistStudy], list[Rows]]] = {
        f"{variant}:{method}": lambda study, of=(variant, method): [
            sweep_rows(study, *of, agreement) for agreement in study.mnist.sweep_agreements
        ]
        for variant, method in product(VARIANTS, SWEEP)
    }
    worst = {"metric": ["accuracy/test", "accuracy/worst-group"], "epoch": "last"}
    line = "{dataset} {method} agreement {agreement:g} {seed} {metric}: {value:.2f} % (n = {n:,})"
    return measure_command(
        "sweep",
        main.__doc__ or "",
        MnistStudy,
        parts,
        says=(worst, line),
        arguments=arguments,
        changes={"sweep_seeds": 1},
    )


if __name__ == "__main__":
    raise SystemExit(main())
