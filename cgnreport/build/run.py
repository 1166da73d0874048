"""Run one notebook from top to bottom, with parameters that are checked first and progress in the terminal.

papermill does the work. Around it: parameters are checked before a kernel starts; only those that the notebook declares
are passed on; a notebook that fails is kept, named and reported in a few lines; what cells write to stderr (progress
bars, warnings) goes to the terminal and the log, not into the report.
"""

import argparse
import contextlib
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import nbformat
import papermill
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError

from cgnlib.paths import build_folder, own_file, unwritable
from cgnreport.build import ReportError
from cgnreport.build.cells import PARAMETERS, bound_names, code_cells
from cgnreport.build.durations import last_durations, remember_durations
from cgnreport.build.places import executed_notebook, notebook_source
from cgnreport.build.terminal import ProgressLine
from cgnreport.protocol.parameters import ParameterError, Parameters, read_text

# For the C library (glibc; others do not read it). Huge pages: a classifier trains a quarter faster in float32. And the
# process keeps freed memory for its next tensors, where glibc by default gives each large block back, to have the next
# one mapped and zeroed page by page: a tenth of a training step on a CPU. The peak stays what the tensors need.
MALLOC = "glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=2147483647"


LEAST_FREE = 1_000_000  # bytes on the disk without which not even a kernel starts


class _Client(PapermillNotebookClient):
    """Runs cells; what they write to stderr goes to `line`, and not into the executed notebook."""

    line: ProgressLine

    def execute(self, **options: Any) -> Any:
        """As papermill does, but Ctrl-C and SIGTERM become a SIGTERM for the kernel, which is waited for.

        There a training saves and ends its cell; anything else ends at once, since it has nothing to save. A second
        Ctrl-C does not wait. Raises KeyboardInterrupt, then.
        """
        stops: list[int] = []

        def hand_on(number: int, frame: FrameType | None) -> None:
            if number == signal.SIGINT and number in stops:
                raise KeyboardInterrupt
            stops.append(number)
            if kernel := getattr(self.km and self.km.provisioner, "process", None):
                kernel.terminate()

        def start(cell: Any, cell_index: int) -> None:
            if stops:
                raise KeyboardInterrupt
            self.line.start(cell_index)

        self.on_cell_start = start
        before = {number: signal.signal(number, hand_on) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            return super().execute(**options)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            if stops:
                raise KeyboardInterrupt  # in place of what the kernel's end looks like

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        if msg["msg_type"] == "stream" and msg["content"]["name"] == "stderr":
            return self.line.text(msg["content"]["text"])
        return super().process_message(msg, cell, cell_index)


class _Engine(NBClientEngine):
    """papermill's engine with this environment's kernel, which takes the line that shows its progress."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, *, line: ProgressLine, **unused: Any) -> Any:
        line.cells = len(nb_man.nb.cells)
        # Without folders to search, "python3" is this interpreter, whatever kernels the user has registered. The file
        # with the key to the kernel would be left among the temporary ones.
        kernels = AsyncKernelManager(kernel_name=kernel_name, kernel_spec_manager=KernelSpecManager(kernel_dirs=[]))
        key = tempfile.TemporaryDirectory(prefix="cgn-kernel-")
        kernels.connection_file = os.path.join(key.name, "kernel.json")
        client = _Client(
            nb_man,
            kernels,
            kernel_name=kernel_name,
            startup_timeout=120,
            log=logging.getLogger("papermill"),
            extra_arguments=["--IPKernelApp.log_level=CRITICAL"],  # errors come as messages
        )
        client.line = line
        environment = {
            "CGN_PROGRESS": "text",  # progress bars as text, so that they can be shown in this terminal
            "IPYTHONDIR": str(build_folder() / "ipython"),  # no user's start-up files run
            "MPLCONFIGDIR": str(build_folder() / "matplotlib"),  # nothing is written into the user's home
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # no debugger warnings
            "GLIBC_TUNABLES": os.environ.get("GLIBC_TUNABLES", MALLOC),
        }
        with key:  # cleanup_kc: nbclient keeps the kernel of a manager that it was given
            return client.execute(env=os.environ | environment, cleanup_kc=True)


papermill_engines.register("cgnreport", _Engine)


def run_notebook(
    name: str,
    profile: str,
    overrides: Mapping[str, Any] | None = None,
    *,
    output: Path | None = None,
    log: Path | None = None,
) -> Path:
    """Run a notebook at the scale of `profile`; return the path of the executed copy.

    overrides: parameters in place of those of params/<profile>.yaml; names and types are checked.
    output: where the executed copy goes (build/notebooks/<profile>/ by default).
    log: a text file for progress and what cells wrote to stderr.
    Raises ReportError or ParameterError before anything starts, for an unknown notebook or parameter; ReportError for a
    failing cell, with the path of the kept notebook. An earlier executed copy stays until this run succeeds (Snakemake,
    which `make` runs, removes it first).
    """
    source, overrides = notebook_source(name), overrides or {}
    name = source.stem
    if overrides.get("profile", profile) != profile:  # its rows would pass for those of another scale
        raise ParameterError(
            f"parameter profile: {overrides['profile']!r} is not the scale {profile}; say --profile instead"
        )
    cells = code_cells(nbformat.read(source, as_version=4))
    declared = {name for _, cell, tags in cells if PARAMETERS in tags for name in bound_names(cell.source)}
    given = Parameters.load(profile, overrides).flat()
    used = {key: value for key, value in given.items() if key in declared | set(overrides)}
    usual = executed_notebook(profile, name)
    output = output or usual
    running = own_file(output.parent / ".running" / f"{name}.", ".ipynb")
    failed = output.parent / "failed" / output.name
    for folder in (running.parent, failed.parent, *([log.parent] if log else [])):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(folder, error) from None
    failed.unlink(missing_ok=True)  # of an earlier run
    if shutil.disk_usage(running.parent).free < LEAST_FREE:
        raise unwritable(running, OSError(f"the disk has less than {LEAST_FREE // 10**6} MB left"))

    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # it warns of each comment among the parameters
    with ProgressLine(name, log, last_durations(profile, name)) as line:
        try:
            papermill.execute_notebook(
                source,
                running,
                parameters=used,
                engine_name="cgnreport",
                kernel_name="python3",
                progress_bar=False,
                cwd=source.parent,
                autosave_cell_every=0,
                line=line,
            )
        except Exception as error:
            with contextlib.suppress(OSError, ValueError):  # as it is cut by a full disk, it cannot be kept
                _tidy(running, name)
                running.replace(failed)
            if isinstance(error, OSError):
                running.unlink(missing_ok=True)
                raise unwritable(running, error) from error
            raise ReportError(_failure(name, error, failed)) from error
        except KeyboardInterrupt:
            running.unlink(missing_ok=True)
            raise
        try:
            _tidy(running, name)
            running.replace(output)
        except OSError as error:
            raise unwritable(output, error) from error
        line.finish()
    if output == usual:  # not one seed of a sweep
        remember_durations(profile, name, line.seconds)
    return output


def parse_overrides(pairs: Sequence[Sequence[str]]) -> dict[str, Any]:
    """[("seed", "3"), ...] with values read as YAML, so that 3 is a number and [1, 5] a list.

    Raises ParameterError as `read_text`, and for a name that is given twice.
    """
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise ParameterError(f"parameter '{name}' is given twice: say it once")
    return {name: read_text(text, name) for name, text in pairs}


def _tidy(path: Path, name: str) -> None:
    """Take this machine's paths out of an executed notebook, and fold the parameters that were passed."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.setdefault("papermill", {}).update(
        input_path=f"notebooks/{name}.ipynb", output_path=f"{name}.ipynb", environment_variables={}
    )
    fold = "hide-input"
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if PARAMETERS in tags and "remove-input" in tags:  # a summary page shows no code
            fold = "remove-input"
        if "injected-parameters" in tags:
            tags.append(fold)
    nbformat.write(notebook, path)


def _failure(name: str, error: Exception, kept: Path) -> str:
    where = f"\nThe notebook as far as it came: {kept}" if kept.exists() else ""
    if isinstance(error, PapermillExecutionError):
        words = " ".join(f"{error.ename}: {error.evalue}".strip().splitlines())
        return f"notebook {name} failed in cell {error.cell_index + 1}: {words}{where}"
    words = " ".join(str(error).split()) or "no message"
    return f"notebook {name} did not finish: {type(error).__name__}: {words}{where}"


def main(given: argparse.Namespace) -> int:
    """The command `run`: prints where the executed copy is."""
    output, log = (Path(path).resolve() if path else None for path in (given.output, given.log))
    path = run_notebook(given.name, given.profile, parse_overrides(given.pairs), output=output, log=log)
    print(f"{path.stem}: executed copy in {path}", file=sys.stderr)
    return 0
