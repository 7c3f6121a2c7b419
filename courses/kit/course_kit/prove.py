"""Prove a module in the image that its students get: `python -m course_kit.prove DESK`.

The host writes into DESK: `module/` (what is shipped), `wrong/*.py`, `cells.json` (each cell with
its stub and its solution), `lesson.ipynb` (what is to be run) and `ask.json`:

    {"profile": "ci", "language": "en", "parameters": {}, "seconds": 60,
     "what": ["exercises", "run"]}

It writes `run.ipynb` and `report.json` there. A problem is a sentence; a proof without one is `ok`.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from course_kit.checking import judge, load_checks
from course_kit.errors import KitError
from course_kit.files import Exercise, Files, Question, read_files
from course_kit.texts import LANGUAGES

EXERCISES, QUESTIONS = 4, 5
SAYS = "# says:"


@dataclass
class Report:
    """What was found: problems as sentences, and what the run told."""

    problems: list[str] = field(default_factory=list)
    exercises: dict[str, int] = field(default_factory=dict)
    claims: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    first_figure_seconds: float | None = None
    slowest: list[tuple[str, float]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """True where there is no problem."""
        return not self.problems


def main(arguments: list[str]) -> int:
    """Prove what lies in the folder that is named; 0 where nothing is wrong."""
    desk = Path(arguments[0]).resolve()
    ask = json.loads((desk / "ask.json").read_text(encoding="utf-8"))
    os.environ["RADLAB_PROFILE"] = ask["profile"]
    os.environ["RADLAB_LANGUAGE"] = ask["language"]
    report = Report()
    try:
        files = read_files(desk / "module")
        if "exercises" in ask["what"]:
            prove_files(files, report)
            prove_exercises(desk, files, report)
        if "run" in ask["what"]:
            run(desk, files, ask, report)
    except KitError as error:
        report.problems.append(str(error))
    content = {"ok": report.ok, **asdict(report)}
    (desk / "report.json").write_text(json.dumps(content, indent=1, ensure_ascii=False))
    print("\n".join(report.problems), file=sys.stderr)
    return 0 if report.ok else 1


def prove_files(files: Files, report: Report) -> None:
    """Enough exercises and questions, objectives that exist, every text in every language."""
    if len(files.exercises) < EXERCISES:
        report.problems.append(
            f"exercises.yaml has {len(files.exercises)} exercises; at least {EXERCISES} are wanted."
        )
    if len(files.questions) < QUESTIONS:
        report.problems.append(
            f"quiz.yaml has {len(files.questions)} questions; at least {QUESTIONS} are wanted."
        )
    objectives = len(files.facts["objectives"]["en"])
    asked: list[Exercise | Question] = [*files.exercises.values(), *files.questions.values()]
    for one in asked:
        if not 1 <= one.objective <= objectives:
            report.problems.append(
                f"{one.id}: objective {one.objective} is none of the {objectives} of module.yaml."
            )
    languages = [name for name in LANGUAGES if name in files.facts["languages"]]
    for name in ("exercises", "questions", "claims"):
        for id, one in getattr(files, name).items():
            for text in _texts(asdict(one)):
                missing = [language for language in languages if not text.get(language)]
                if missing:
                    report.problems.append(f"{id}: “{text['en']}” is not in {missing[0]}.")


def _texts(value: Any) -> list[Mapping[str, str]]:
    if isinstance(value, Mapping):
        if "en" in value and set(value) <= set(LANGUAGES):
            return [value]
        return [text for one in value.values() for text in _texts(one)]
    if isinstance(value, list | tuple):
        return [text for one in value for text in _texts(one)]
    return []


def prove_exercises(desk: Path, files: Files, report: Report) -> None:
    """Each check fails the stub and every known wrong answer, each in its words, and passes."""
    cells = {cell["name"]: cell for cell in json.loads((desk / "cells.json").read_text())}
    checks = load_checks(files.folder)
    names = _names(cells, files)
    for id, exercise in files.exercises.items():
        if id not in cells or cells[id]["stub"] == cells[id]["solution"]:
            report.problems.append(f"{id}: no cell of that name has a gap.")
            continue
        _prove_one(desk, exercise, cells[id], checks, names, report)


def _prove_one(
    desk: Path,
    exercise: Exercise,
    cell: Mapping[str, str],
    checks: ModuleType,
    names: Mapping[str, Any],
    report: Report,
) -> None:
    id, problems = exercise.id, report.problems
    right = _verdict(cell["solution"], exercise, checks, names)
    if right:
        problems.append(f"{id}: its check refuses the solution: {right}")
    stub = _verdict(cell["stub"], exercise, checks, names)
    if not stub:
        problems.append(f"{id}: its check passes the untouched gap.")
    said: dict[str, str] = {}
    mistakes = [path for path in sorted((desk / "wrong").glob("*.py")) if _is_of(path, id)]
    for path in mistakes:
        source = path.read_text(encoding="utf-8")
        first = source.splitlines()[0] if source else ""
        wanted = first.removeprefix(SAYS).strip()
        if not first.startswith(SAYS) or not wanted:
            problems.append(f"{path.name}: its first line must be `{SAYS} <part of the message>`.")
            continue
        told = _verdict(source, exercise, checks, names)
        if not told:
            problems.append(f"{path.name}: the check passes this wrong answer.")
        elif wanted not in told:
            problems.append(f"{path.name}: the check says “{told}”, without “{wanted}”.")
        elif told == stub or told in said:
            problems.append(
                f"{path.name}: its message is also that of {said.get(told, 'the gap')}."
            )
        else:
            said[told] = path.name
    if not mistakes:
        problems.append(f"{id}: wrong/ has no known wrong answer `{id}_*.py`.")
    report.exercises[id] = len(mistakes)


def _is_of(path: Path, id: str) -> bool:
    return path.stem.startswith(f"{id}_") or path.stem == id


def _names(cells: Mapping[str, Mapping[str, str]], files: Files) -> dict[str, Any]:
    """The notebook's names after its imports and parameters."""
    missing = next((name for name in ("imports", "parameters") if name not in cells), None)
    if missing:
        raise KitError(f"The lesson has no cell named '{missing}'.")
    names: dict[str, Any] = {"__name__": "__main__"}
    here = Path.cwd()
    os.chdir(files.folder)
    sys.path.insert(0, str(files.folder))
    try:
        for name in ("imports", "parameters"):
            exec(compile(cells[name]["solution"], f"<cell {name}>", "exec"), names)
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        raise KitError(f"The cell '{name}' stops in this image: {said}") from error
    finally:
        os.chdir(here)
    return names


def _verdict(source: str, exercise: Exercise, checks: ModuleType, names: Mapping[str, Any]) -> str:
    """What the check says in English of the answer that this code makes; nothing where right."""
    # The imports are shared, what the code makes is its own.
    own = copy.copy(dict(names))
    own.pop(exercise.answer, None)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(source, f"<cell {exercise.id}>", "exec"), own)
    except Exception as error:
        return f"the cell itself stops: {type(error).__name__}: {error}"
    if exercise.answer not in own:
        return f"the cell makes no `{exercise.answer}`"
    return judge(exercise, own[exercise.answer], checks).english


def run(desk: Path, files: Files, ask: Mapping[str, Any], report: Report) -> None:
    """Execute the notebook within its time; each claim of the profile must be met."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    told = desk / "claims.jsonl"
    told.write_text("")
    os.environ["RADLAB_CLAIMS"] = str(told)
    notebook = nbformat.read(desk / "lesson.ipynb", as_version=4)
    _inject(notebook, ask["parameters"])
    client = NotebookClient(
        notebook,
        timeout=ask["seconds"],
        kernel_name="python3",
        store_widget_state=False,
        record_timing=True,
        resources={"metadata": {"path": str(ask.get("cwd") or files.folder)}},
    )
    start = time.monotonic()
    try:
        client.execute()
    except CellExecutionError as error:
        report.problems.append(f"A cell stopped: {_short(error)}")
    except (CellTimeoutError, DeadKernelError) as error:
        report.problems.append(f"The run ended early: {_short(error)}")
    report.seconds = time.monotonic() - start
    nbformat.write(notebook, desk / "run.ipynb")
    _timings(notebook, report)
    if report.seconds > ask["seconds"]:
        report.problems.append(
            f"The notebook took {report.seconds:.0f} s; {ask['seconds']} are allowed."
        )
    _judge_claims(files, ask, told, report)


def _judge_claims(files: Files, ask: Mapping[str, Any], told: Path, report: Report) -> None:
    report.claims = [json.loads(line) for line in told.read_text().splitlines()]
    for one in report.claims:
        one["asked"] = (
            ask.get("claims", True) and ask["profile"] in files.claims[one["id"]].profiles
        )
    if not ask.get("claims", True):
        return
    found = {one["id"]: one for one in report.claims}
    for id, claim in files.claims.items():
        if ask["profile"] not in claim.profiles:
            continue
        if id not in found:
            report.problems.append(f"Claim '{id}': the run never called page.claim(\"{id}\", ...).")
        elif not found[id]["held"]:
            report.problems.append(
                f"Claim '{id}': the text says {claim.limit}, the run found {found[id]['value']:.4g}."
            )


def _inject(notebook: Any, parameters: Mapping[str, Any]) -> None:
    if not parameters:
        return
    import nbformat

    places = [
        place
        for place, cell in enumerate(notebook.cells)
        if "parameters" in cell.metadata.get("tags", [])
    ]
    lines = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    if not places:
        raise KitError("The lesson has no cell tagged `parameters`.")
    cell = nbformat.v4.new_code_cell(lines)
    notebook.cells.insert(places[0] + 1, cell)


def _timings(notebook: Any, report: Report) -> None:
    """Seconds a cell, the slowest first, and when the first picture stood."""
    from datetime import datetime

    def moment(cell: Any, name: str) -> datetime | None:
        text = cell.metadata.get("execution", {}).get(name)
        return datetime.fromisoformat(text) if text else None

    begun = None
    for cell in notebook.cells:
        started, ended = moment(cell, "iopub.status.busy"), moment(cell, "iopub.status.idle")
        if started is None or ended is None:
            continue
        begun = begun or started
        report.slowest.append((str(cell.get("id", "")), (ended - started).total_seconds()))
        kinds = {kind for output in cell.outputs for kind in output.get("data", {})}
        if report.first_figure_seconds is None and "image/png" in kinds:
            report.first_figure_seconds = (ended - begun).total_seconds()
    report.slowest = sorted(report.slowest, key=lambda one: -one[1])[:8]


def _short(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return " / ".join([*lines[:2], *lines[-2:]])[:600]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
