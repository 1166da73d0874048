"""What the campaign of kills kills: real work of a few seconds, which the same call goes on with after a kill.

Each acknowledges what it has done, if only a count, as soon as that is to be kept.
"""

import dataclasses
import functools
import hashlib
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import nbformat
import numpy as np
import torch

from cgnlib.data import catalogue, fetching, finding
from cgnlib.data.digits import embedded_digits
from cgnlib.imagenet.cgn import ImageNetCGN
from cgnlib.imagenet.sampling import Sampling, Store
from cgnlib.imagenet.toy.parts import toy_parts
from cgnlib.mnist import training
from cgnlib.mnist.recipes import ROBUST
from cgnlib.mnist.variants import make_variant
from cgnlib.paths import project_root
from cgnlib.training import loop
from cgnreport.protocol.rows import Number, Setting
from cgnreport.protocol.store import keep, read_cells

Acknowledge = Callable[[int], object]


@dataclass(frozen=True)
class Work:
    """prepare: fills an empty folder. do: the work in it, by process 0 or 1. kept: how much of it is there now.

    results: patterns of the files that must be the same at the end. lossless: what was acknowledged is kept whatever
    the signal; of others, only where the signal leaves time. unit: what is acknowledged.
    """

    do: Callable[[Path, int, Acknowledge], None]
    results: tuple[str, ...]
    prepare: Callable[[Path], None] = lambda folder: None
    kept: Callable[[Path], int] = lambda folder: 0
    unit: str = ""
    lossless: bool = True
    processes: int = 1


def become(folder: Path, root: Path, *arguments: str) -> None:
    """Become `python -m cgnreport.build ...` in the checkout `root`, with folder/build to write to."""
    os.chdir(root)
    command = [sys.executable, "-m", "cgnreport.build", *arguments]
    os.execve(command[0], command, os.environ | {"CGN_BUILD": str(folder / "build"), "PYTHONPATH": str(root)})


# --- Training ---------------------------------------------------------------------------------------------------------

RECIPE = replace(ROBUST["double-colored"], images=1280)


def train(folder: Path, process: int, acknowledge: Acknowledge) -> None:
    """A CGN of our recipe; checkpoints every 0.2 s, so that many kills meet one."""
    loop.CHECKPOINT_SECONDS = 0.2

    def counted(state: loop.TrainingState, steps: int, step: Callable, *rest: object, **options: object) -> None:
        def count(number: int) -> dict[str, torch.Tensor]:
            values = step(number)
            acknowledge(number + 1)
            return values

        loop.run(state, steps, count, *rest, **options)  # type: ignore[arg-type]

    training.run = counted
    training.train_cgn(make_variant("double-colored", "train", embedded_digits(), limit=1000), RECIPE, 0, root=folder)


def steps_kept(folder: Path) -> int:
    if any(folder.rglob("record.json")):
        return RECIPE.steps
    return max((torch.load(file, weights_only=True)["step"] for file in folder.rglob("checkpoint.pt")), default=0)


def run_notebook(folder: Path, process: int, acknowledge: Acknowledge) -> None:
    """A page of the report at scale smoke, with its trainings."""
    settings = ("--profile", "smoke", "-p", "ratio_variants", "[colored]")
    become(folder, project_root(), "run", "06-cf-ratio", *settings)


# --- Rows -------------------------------------------------------------------------------------------------------------

ROWS = 40  # of each process


def keep_rows(folder: Path, process: int, acknowledge: Acknowledge) -> None:
    """Rows of one experiment, one after the other; those that are there are not computed again."""
    os.environ["CGN_BUILD"] = str(folder)
    there = [line for file in folder.rglob("kills.csv") for line in read_cells(file)]
    for number in range(sum(line["method"] == f"process-{process}" for line in there), ROWS):
        about = Setting("kills", "colored", f"process-{process}", "-", "quick", "-", {})
        keep([replace(about.row(Number("number", number, 1, "rows"), number), code="1234567")])
        acknowledge(number + 1)


def rows_kept(folder: Path) -> int:
    return sum(len(read_cells(file)) for file in folder.rglob("kills.csv"))


# --- Publishing -------------------------------------------------------------------------------------------------------


def clone(folder: Path) -> None:
    """A clone of this repository that lacks each second published row, which its build folder has."""
    root = project_root()
    subprocess.run(["git", "clone", "-q", "--shared", root, folder / "clone"], check=True)
    own = folder / "build" / "results" / "paper"
    shutil.copytree(folder / "clone" / "results" / "paper", own)
    for file in (folder / "clone" / "results" / "paper").glob("*.csv"):
        lines = file.read_text().splitlines(keepends=True)
        file.write_text("".join([lines[0], *lines[1::2]]))
    identity = ["-c", "user.name=A", "-c", "user.email=a@b.c"]
    subprocess.run(["git", "-C", folder / "clone", *identity, "commit", "-qam", "half"], check=True)


def publish(folder: Path, process: int, acknowledge: Acknowledge) -> None:
    """`make publish`: rows, README, picture, verdicts."""
    become(folder, folder / "clone", "publish", "--profile", "paper")


def published_kept(folder: Path) -> int:
    return sum(len(read_cells(file)) for file in (folder / "clone" / "results" / "paper").glob("*.csv"))


# --- Downloads --------------------------------------------------------------------------------------------------------

PAYLOAD = np.random.default_rng(0).bytes(6_000_000)
PORT_FILE = "port"


class Site(http.server.BaseHTTPRequestHandler):
    """A slow web server: 4 MB/s, which takes up a download where it broke off."""

    def do_GET(self) -> None:
        start = int(self.headers.get("Range", "bytes=0-")[len("bytes=") : -1])
        self.send_response(416 if start >= len(PAYLOAD) else 206 if start else 200)
        self.send_header("Content-Range", f"bytes {start}-{len(PAYLOAD) - 1}/{len(PAYLOAD)}")
        if start >= len(PAYLOAD):
            self.send_header("Content-Range", f"bytes */{len(PAYLOAD)}")
        self.send_header("Content-Length", str(len(PAYLOAD[start:])))
        self.send_header("ETag", '"1"')
        self.end_headers()
        for first in range(start, len(PAYLOAD), 200_000):
            self.wfile.write(PAYLOAD[first : first + 200_000])
            time.sleep(0.05)

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:  # the other side was killed
            self.close_connection = True


@functools.cache
def site() -> str:
    """The address of the web server, which is started once."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/u2net.pth"


def serve(folder: Path) -> None:
    """Leave word of where the web server is."""
    (folder / PORT_FILE).write_text(site())


def download(folder: Path, process: int, acknowledge: Acknowledge) -> None:
    """A file by name from the catalogue, verified by its checksum."""
    os.environ["CGN_CACHE"], finding.shared_folder = str(folder / "cache"), lambda: folder / "nothing"
    os.environ.pop("CGN_DATA", None)
    sums = (f"sha256:{hashlib.sha256(PAYLOAD).hexdigest()}",)
    known = {"urls": ((folder / PORT_FILE).read_text(),), "checksums": sums, "size": len(PAYLOAD)}
    catalogue.CATALOGUE = (dataclasses.replace(catalogue.named("u2net"), **known),)
    fetching.fetch("u2net")


def bytes_kept(folder: Path) -> int:
    return max((file.stat().st_size for file in folder.rglob("u2net.pth*") if "version" not in file.name), default=0)


# --- A store of images, and the book ----------------------------------------------------------------------------------


def sample(folder: Path, process: int, acknowledge: Acknowledge) -> None:
    """Counterfactual images of the toy world, shard by shard."""
    torch.manual_seed(0)
    parts = toy_parts()
    Store(folder / "store").make(ImageNetCGN(parts.biggan, parts.u2net).eval(), Sampling(240, shard=20))


def shards_kept(folder: Path) -> int:
    index = folder / "store" / "index.json"
    return len(json.loads(index.read_text())["sha256"]) if index.exists() else 0


def small_report(folder: Path) -> None:
    """A checkout whose book has one notebook, executed, and three pages."""
    root = folder / "checkout"
    for name in ("cgnlib", "cgnreport", "params", "book"):
        shutil.copytree(project_root() / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(project_root() / "pyproject.toml", root)
    pages = "".join(f"      - file: {page}\n" for page in ("bibliography", "parameters"))
    toc = f"format: jb-book\nroot: notebooks/00-overview\nparts:\n  - caption: Behind it\n    chapters:\n{pages}"
    (root / "book" / "_toc.yml").write_text(toc)
    executed = folder / "build" / "notebooks" / "smoke" / "00-overview.ipynb"
    executed.parent.mkdir(parents=True)
    cell = nbformat.v4.new_markdown_cell("# A title\n\nBy {cite:t}`sauer2021counterfactual`.", id="title")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), executed)


def make_book(folder: Path, process: int, acknowledge: Acknowledge) -> None:
    """`make book`, by Sphinx."""
    become(folder, folder / "checkout", "book", "--profile", "smoke")


TRAINED, ROWS_FILE = ("cgn/*/weights.safetensors", "cgn/*/log.csv"), ("results/quick/kills.csv",)
TRAINING = Work(train, TRAINED, kept=steps_kept, unit="steps", lossless=False)
KEEPING = Work(keep_rows, ROWS_FILE, kept=rows_kept, unit="rows")
DOWNLOAD = Work(
    download,
    ("cache/weights/u2net.pth",),
    serve,
    bytes_kept,
    "bytes",
)
PUBLISHED = ("results/**/*.csv", "results/**/*.json", "results/**/*.png", "README.md", "book/**/*", "params/*")
WORKS: dict[str, Work] = {
    "training": TRAINING,
    "training, two at once": replace(TRAINING, processes=2),
    "notebook": Work(run_notebook, ("build/artefacts/**/*.safetensors", "build/artefacts/**/log.csv")),
    "rows": KEEPING,
    "rows, two at once": replace(KEEPING, processes=2),
    "publishing": Work(publish, tuple(f"clone/{name}" for name in PUBLISHED), clone, published_kept, "rows"),
    "download": DOWNLOAD,
    "download, two at once": replace(DOWNLOAD, processes=2),
    "store": Work(sample, ("store/*.safetensors", "store/index.json"), kept=shards_kept, unit="shards"),
    "book": Work(make_book, ("build/book/smoke/**/*.html", "build/book/smoke/_static/**/*"), small_report),
}
