# The order of the notebooks, and what makes one run again: its own source, the library, or the parameters.
# `make report` calls this; directly: snakemake --workflow-profile profiles/local --cores 2 --config profile=quick

import functools
import os
import re
import shlex
import sys
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError

PROFILE = config.get("profile", "quick")
OVERRIDES = {name: shlex.quote(str(config[name])) for name in ("seed", "reuse_rows") if name in config}
# Of ImageNet itself: none, authors or all.
GIVEN = yaml.safe_load(Path("params", f"{PROFILE}.yaml").read_text(encoding="utf-8"))
REAL = {"imagenet_real": str(config.get("real", GIVEN.get("imagenet_real", "none")))}
SEEDS = str(config.get("seeds", "0 1 2")).split()
if len(set(SEEDS)) < len(SEEDS) or not all(re.fullmatch("0|[1-9][0-9]*", seed) for seed in SEEDS):
    raise WorkflowError(f"seeds={' '.join(SEEDS)}: write whole numbers of 0 or more, without leading zeros, each once")
# Cores that one notebook uses. One: small trainings side by side take less time than one after the other on more. It does
# not follow the number of cores, since the number of threads decides the last bits of a training.
THREADS = int(config.get("threads", 1))

# What a job asks a cluster for. Minutes: twice what the longest notebook took on one core, or more. MB: processes of
# MNIST peak at 2,600.
MINUTES = int(config.get("minutes", {"smoke": 30, "quick": 120}.get(PROFILE, 1440)))
MEMORY = {"00": 2000, "01": 2000, "07": 7500, "08": 7500, "09": 7500, "10": 2000, "13": 7500}  # the others: 4000
GPUS = int(config.get("gpus", 0))  # that a job asks for; without one, training takes the processor


def asked(name):
    """What a notebook's job asks for: of ImageNet itself a GPU, its hours, and memory for networks of 1 GB."""
    page = on_imagenet(name)
    minutes = MINUTES if "minutes" in config else max(MINUTES, page)
    found = {"mem_mb": 24000 if page else MEMORY.get(name[:2], 4000), "runtime": minutes}
    gpus = max(GPUS, 1) if page else GPUS
    return found | ({"gpu": gpus, "gpu_manufacturer": "nvidia"} if gpus else {})


def real(name):
    """The parameter for a notebook that can compute something of ImageNet itself, where it is not that of its scale."""
    return {name: shlex.quote(value) for name, value in REAL.items()} if "real" in config and name in STUDY[-3:] else {}


@functools.cache
def on_imagenet(name):
    """Minutes on a GPU for what a notebook computes of ImageNet itself, as far as its files are there; 0 for nothing."""
    if REAL["imagenet_real"] == "none" or name not in STUDY[-3:]:
        return 0
    from cgnreport.protocol.imagenet_settings import minutes

    return minutes(parameters(), name)


@functools.cache
def parameters():
    from cgnreport.protocol.parameters import ParameterError, Parameters

    try:
        return Parameters.load(PROFILE, REAL)
    except ParameterError as error:
        raise WorkflowError(str(error))


BUILD = Path(os.environ.get("CGN_BUILD") or "build").expanduser()
if set("{}") & set(str(BUILD)):
    raise WorkflowError(f"CGN_BUILD is {BUILD}: Snakemake takes what is in braces for wildcards; name another folder")
EXECUTED = BUILD / "notebooks" / PROFILE
LOGS = BUILD / "logs" / PROFILE

# The notebooks that compute. None waits for another: CGNs and classifiers that several need are trained by the first to
# need them, the others wait at their lock and load them. The SUMMARIES read results of others and published ones.
STUDY = ["01-variants", "02-claim1-mnist", "03-claim2-mnist", "04-gradcam", "05-claim3-mnist", "06-cf-ratio"]
STUDY += ["07-claim1-imagenet", "08-claim2-imagenet", "09-claim3-imagenet"]
# Where there is a choice, the longest first. Those of LAST wait for the CGN of page 07: while it is trained, others run.
LONG = ["07-claim1-imagenet", "02-claim1-mnist", "03-claim2-mnist", "06-cf-ratio"]
LAST = ["08-claim2-imagenet", "09-claim3-imagenet"]
SUMMARIES = {
    "11-recipe-mnist": ["02-claim1-mnist", "03-claim2-mnist"],  # it trains, too, at scales smoke and paper
    "12-without-cgn": ["03-claim2-mnist"],  # so does this
    "13-photographs": [],  # it shows published rows
    "15-own-shapes": [],  # it shows published rows
    "16-limitations": [],  # so does this
    "14-ten-minutes": [],  # waits for none: what it shows ships with the project, or is trained in the page
    "10-scorecard": [*STUDY, "12-without-cgn"],
    "00-overview": [*STUDY, "10-scorecard", "11-recipe-mnist"],
}
SWEPT = [*STUDY[1:], "11-recipe-mnist", "12-without-cgn"]

SHIPPED = sorted(str(path) for path in Path("weights").rglob("*") if path.is_file())
PUBLISHED = sorted(str(path) for path in Path("results").rglob("*") if path.suffix in (".csv", ".json"))
LIBRARY = sorted(str(path) for package in ("cgnlib", "cgnreport") for path in Path(package).rglob("*")
                 if path.suffix in (".py", ".yaml", ".png", ".html", ".js") and "build" not in path.parts)
PYTHON = shlex.quote(sys.executable).replace("{", "{{").replace("}", "}}")  # a folder's name may hold anything
RUN = (
    f"OMP_NUM_THREADS={{threads}} {PYTHON} -m cgnreport.build run {{params.name}}"
    " --profile {params.profile} {params.overrides} --output {output:q} --log {log:q}"
)


def overrides(**values):
    return " ".join(f"-p {name} {value}" for name, value in values.items())


onstart:
    # Nothing long starts unannounced: what of ImageNet itself this run computes, and for how long.
    if REAL["imagenet_real"] != "none":
        from cgnreport.protocol.imagenet_settings import announcement

        for line in announcement(parameters(), here=workflow.executor_plugin.name == "local"):
            print(f"ImageNet: {line}", file=sys.stderr)

    if workflow.executor_plugin.name == "slurm":
        from cgnreport.build.cluster import refused

        if words := refused(dict(job.resources.items()) for job in workflow.dag.needrun_jobs()):
            raise WorkflowError(words)


rule book:
    input:
        expand(EXECUTED / "{name}.ipynb", name=[*STUDY, *SUMMARIES]),
        "book/_config.yml",
    output:
        BUILD / "book" / PROFILE / "index.html",
    params:
        profile=PROFILE,
    resources:
        mem_mb=4000,
        runtime=30,
    shell:
        f"{PYTHON} -m cgnreport.build book --profile {{params.profile}}"


rule study:
    input:
        expand(EXECUTED / "{name}.ipynb", name=[*STUDY, *SUMMARIES]),


rule sweep:
    input:
        expand(EXECUTED / "seed-{seed}" / "{name}.ipynb", seed=SEEDS, name=SWEPT),


for name in [*STUDY, *SUMMARIES]:

    rule:
        name:
            f"notebook_{name.replace('-', '_')}"
        input:
            notebook=f"notebooks/{name}.ipynb",
            parameters=f"params/{PROFILE}.yaml",
            library=LIBRARY,
            shipped=SHIPPED,
            published=PUBLISHED,
            before=[EXECUTED / f"{other}.ipynb" for other in SUMMARIES.get(name, [])],
        output:
            EXECUTED / f"{name}.ipynb",
        log:
            LOGS / f"{name}.log",
        params:
            name=name,
            profile=PROFILE,
            overrides=overrides(**OVERRIDES | real(name)),
        threads: THREADS
        resources:
            **asked(name),
        priority: 100 - LONG.index(name) if name in LONG else -int(name[:2]) - 100 * (name in LAST)
        shell:
            RUN


for name in SWEPT:

    rule:
        name:
            f"seed_{name.replace('-', '_')}"
        input:
            notebook=f"notebooks/{name}.ipynb",
            parameters=f"params/{PROFILE}.yaml",
            library=LIBRARY,
            shipped=SHIPPED,
        output:
            EXECUTED / "seed-{seed}" / f"{name}.ipynb",
        log:
            LOGS / "seed-{seed}" / f"{name}.log",
        params:
            name=name,
            profile=PROFILE,
            overrides=overrides(**OVERRIDES | real(name) | {"seed": "{seed}"}),
        threads: THREADS
        resources:
            **asked(name),
        wildcard_constraints:
            seed=r"0|[1-9]\d*",
        shell:
            RUN
