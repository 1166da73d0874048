"""Run one notebook from top to bottom, with parameters that are checked first and progress in the terminal.

papermill does the work. Around it: parameters are checked before a kernel starts; only those that the notebook defines
are passed on; a notebook that fails is kept, named and reported in a few lines; what cells write to stderr (progress
bars, warnings) goes to the terminal and the log, not into the report.
"""

import contextlib
import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
import papermill
import yaml
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError

from cgnlib.parameters import ParameterError, StudyParameters, check_parameters
from cgnlib.paths import build_folder, project_root
from cgnlib.report import ReportError
from cgnlib.report.durations import last_durations, remember_durations
from cgnlib.report.places import executed_notebook, notebook_source, parameter_file
from cgnlib.report.terminal import ProgressLine, clock

KERNEL = "python3"
_KERNEL_ENVIRONMENT = {
    "CGN_PROGRESS": "text",  # progress bars as text, so that they can be shown in this terminal
    "JUPYTER_PREFER_ENV_PATH": "1",  # "python3" is this environment's kernel, whatever the user has registered
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # no debugger warnings
}


def run_notebook(
    name: str,
    profile: str,
    overrides: Mapping[str, Any] | None = None,
    *,
    output: Path | None = None,
    log: Path | None = None,
) -> Path:
    """Run a notebook at the scale of `profile`; return the path of the executed copy.

    overrides: parameters beside those of params/<profile>.yaml; names and types are checked, and those that this
    notebook does not use are left out. output: where the executed copy goes (build/notebooks/<profile>/ by default).
    log: a text file for progress and what cells wrote to stderr.
    Raises ReportError: for an unknown notebook, profile or parameter before anything starts; for a failing cell with
    the path of the kept notebook. An earlier executed copy stays until this run succeeds (Snakemake, which `make` runs,
    removes it first).
    """
    source = notebook_source(name)
    name = source.stem
    values = study_parameters(profile, overrides or {})
    used = {key: values[key] for key in parameters_of(source) if key in values}
    output = output or executed_notebook(profile, name)
    running = output.parent / ".running" / f"{name}.{os.getpid()}.ipynb"
    failed = output.parent / "failed" / output.name
    _make_folders(running.parent, failed.parent, *([log.parent] if log else []))
    failed.unlink(missing_ok=True)  # of an earlier run

    started = time.monotonic()
    with _kernel_environment(), ProgressLine(name, log, last_durations(profile, name), running.parent) as line:
        try:
            papermill.execute_notebook(
                source,
                running,
                parameters=used,
                engine_name=_engine(line),
                kernel_name=KERNEL,
                progress_bar=False,
                cwd=source.parent,
                autosave_cell_every=0,
            )
        except Exception as error:
            if running.exists():
                _tidy(running, name)
                running.replace(failed)
            raise ReportError(_failure(name, error, failed)) from error
        _tidy(running, name)
        running.replace(output)
        if output == executed_notebook(profile, name):  # not one seed of a sweep
            remember_durations(profile, name, line.seconds)
        line.finish(f"done in {clock(time.monotonic() - started)}")
    return output


def study_parameters(profile: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """params/<profile>.yaml with overrides, as papermill takes them. Raises ReportError naming what is wrong."""
    file = parameter_file(profile)
    if overrides.get("profile", profile) != profile:  # its rows would pass for those of another scale
        raise ReportError(
            f"parameter profile: {overrides['profile']!r} is not the scale {profile}; say --profile instead"
        )
    try:
        StudyParameters.load(file)
        given = yaml.safe_load(file.read_text(encoding="utf-8")) | dict(overrides)
        check_parameters(given)
    except ParameterError as error:
        raise ReportError(str(error)) from None
    return given


def parameters_of(notebook: Path) -> list[str]:
    """Names that the notebook's parameters cell defines."""
    with _quiet_papermill():
        return list(papermill.inspect_notebook(str(notebook)))


def parse_overrides(pairs: Sequence[Sequence[str]]) -> dict[str, Any]:
    """[("seed", "3"), ...] with values read as YAML, so that 3 is a number and [1, 5] a list."""
    try:
        return {name: yaml.safe_load(text) for name, text in pairs}
    except yaml.YAMLError as error:
        raise ReportError(f"a parameter's value is not readable: {' '.join(str(error).split())}") from None


def _engine(line: ProgressLine) -> str:
    """Register a papermill engine that reports to `line`; its name."""

    class Client(PapermillNotebookClient):
        def process_message(self, *args: Any, **kwargs: Any) -> Any:
            message, cell = args[0], args[1]
            if message["msg_type"] == "stream" and message["content"]["name"] == "stderr":
                line.text(message["content"]["text"])  # shown and logged, but no part of the executed notebook
                return None
            return super().process_message(message, cell, *args[2:], **kwargs)

    class Engine(NBClientEngine):
        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **kwargs: Any) -> Any:
            start, complete = nb_man.cell_start, nb_man.cell_complete
            line.cells = len(nb_man.nb.cells)

            def cell_start(cell: Any, cell_index: int, **more: Any) -> None:
                line.start(cell_index)
                start(cell, cell_index, **more)

            def cell_complete(cell: Any, cell_index: int, **more: Any) -> None:
                line.complete(cell_index)
                complete(cell, cell_index, **more)

            nb_man.cell_start, nb_man.cell_complete = cell_start, cell_complete
            client = Client(
                nb_man,
                kernel_name=kernel_name,
                startup_timeout=120,
                timeout=None,
                log=_silent_log(),
                extra_arguments=["--IPKernelApp.log_level=CRITICAL"],  # errors come as messages
            )
            return client.execute()

    papermill_engines.register("report", Engine)
    return "report"


def _silent_log() -> logging.Logger:
    log = logging.getLogger("cgnlib.report.kernel")
    log.propagate = False
    log.addHandler(logging.NullHandler())
    return log


@contextlib.contextmanager
def _quiet_papermill() -> Iterator[None]:
    """papermill's logger warns of every comment it cannot read as a parameter."""
    log = logging.getLogger("papermill")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


@contextlib.contextmanager
def _kernel_environment() -> Iterator[None]:
    """The environment that kernels inherit; IPython's own folder is ours, so that no user's start-up files run."""
    wanted = _KERNEL_ENVIRONMENT | {"IPYTHONDIR": str(build_folder() / "ipython")}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        with _quiet_papermill():
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _tidy(path: Path, name: str) -> None:
    """Take this machine's paths and widgets out of an executed notebook, and fold the parameters that were passed."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.pop("widgets", None)
    papermill_notes = notebook.metadata.get("papermill", {})
    papermill_notes.update(input_path=f"notebooks/{name}.ipynb", output_path=f"{name}.ipynb", environment_variables={})
    tags = [
        tag for cell in notebook.cells for tag in cell.metadata.get("tags", []) if "parameters" in cell.metadata.tags
    ]
    for cell in notebook.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            # In the book as the notebook's own parameters: left out on summary pages, else folded.
            cell.metadata.tags.append("remove-input" if "remove-input" in tags else "hide-input")
        if cell.cell_type == "code":
            cell.outputs = [
                output
                for output in cell.outputs
                if "application/vnd.jupyter.widget-view+json" not in output.get("data", {})
            ]
    nbformat.write(notebook, path)


def _failure(name: str, error: Exception, kept: Path) -> str:
    where = f"\nThe notebook as far as it came: {_short(kept)}" if kept.exists() else ""
    if isinstance(error, PapermillExecutionError):
        reason = f"{error.ename}: {error.evalue}".strip().splitlines()
        return f"notebook {name} failed in cell {error.cell_index + 1}: {' '.join(reason)}{where}"
    words = " ".join(str(error).split()) or "no message"
    return f"notebook {name} did not finish: {type(error).__name__}: {words}{where}"


def _make_folders(*folders: Path) -> None:
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ReportError(
                f"cannot write to {folder}: {error.strerror}. Free it, or name another build folder: CGN_BUILD=/path"
            ) from None
        if not os.access(folder, os.W_OK):
            raise ReportError(f"cannot write to {folder}. Free it, or name another build folder: CGN_BUILD=/path")


def _short(path: Path) -> Path:
    return path.relative_to(project_root()) if path.is_relative_to(project_root()) else path


def main_run(name: str, profile: str, pairs: Sequence[Sequence[str]], output: str | None, log: str | None) -> int:
    """The command `run`: prints where the executed copy is."""
    path = run_notebook(
        name,
        profile,
        parse_overrides(pairs),
        output=Path(output).resolve() if output else None,
        log=Path(log).resolve() if log else None,
    )
    print(f"{Path(name).stem}: executed copy in {_short(path)}", file=sys.stderr)
    return 0
