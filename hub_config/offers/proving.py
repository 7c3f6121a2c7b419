"""What a proof of a module needs, laid out in one folder: the desk that `course_kit.prove` reads.

The host builds; the image that students get does the proving, offline. So the folder holds all of
it: what would be shipped, the known wrong answers, each cell with its gap and with its solution,
the notebook to run, and what is asked. The proof writes its report there.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from hub_config.errors import BadInput, nearest
from hub_config.offers.lessons import (
    LESSON,
    PROSE,
    build_files,
    build_notebook,
    read_lesson,
    with_gaps,
    with_solutions,
)
from hub_config.offers.modules import Module
from hub_config.offers.prose import read_prose

PROFILES = ("class", "ci", "gpu_short", "gpu_medium")
PATIENCE = 2.0
MOST_BACK = 100_000_000


class UnknownProfile(BadInput):
    """There is no such profile."""

    code = "unknown_profile"


class ModuleUnproved(BadInput):
    """A module does not do what it says."""

    code = "module_unproved"


@dataclass(frozen=True)
class Ask:
    """What is to be proved: the profile and language to run in, and what a run is given.

    `untouched` runs the students' copy, whose gaps are open, and asks for no claims; `exercises`
    judges the checks. A slow or busy machine gets `patience` times the budget's seconds.
    """

    profile: str = "ci"
    language: str = "en"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    untouched: bool = False
    exercises: bool = True
    run: bool = True
    patience: float = PATIENCE


@dataclass(frozen=True)
class Report:
    """What a proof found, as `course_kit.prove` wrote it."""

    problems: Sequence[str]
    exercises: Mapping[str, int]
    claims: Sequence[Mapping[str, Any]]
    seconds: float
    first_figure_seconds: float | None
    slowest: Sequence[Sequence[Any]]

    @property
    def ok(self) -> bool:
        """True where there is no problem."""
        return not self.problems


def lay_desk(source: Path, desk: Path, ask: Ask) -> Module:
    """Write all that a proof of the module in `source` needs into the empty folder `desk`."""
    module, files = build_files(source)
    seconds = _seconds(module, ask)
    if ask.language not in module.languages:
        raise BadInput(
            "{id} is not written in '{language}'.",
            given=ask.language,
            allowed=module.languages,
            do="Choose one of its languages.",
            id=module.id,
            language=ask.language,
        )
    cells = read_lesson(source / LESSON)
    prose = read_prose(source / PROSE[ask.language]) if ask.language in PROSE else None
    notebook = build_notebook(
        module, cells, language=ask.language, prose=prose, solutions=not ask.untouched
    )
    told = [
        {
            "name": cell.name,
            "kind": cell.kind,
            "tags": list(cell.tags),
            "stub": with_gaps(cell.source),
            "solution": with_solutions(cell.source),
        }
        for cell in cells
    ]
    what = [name for name in ("exercises", "run") if getattr(ask, name)]
    asked = {
        "profile": ask.profile,
        "language": ask.language,
        "parameters": dict(ask.parameters),
        "seconds": seconds,
        "claims": not ask.untouched and not ask.parameters,
        "what": what,
    }
    files = {f"module/{name}": content for name, content in files.items()}
    files["cells.json"] = json.dumps(told, ensure_ascii=False).encode()
    files["lesson.ipynb"] = notebook.encode()
    files["ask.json"] = json.dumps(asked).encode()
    for path in sorted((source / "wrong").glob("*.py")):
        files[f"wrong/{path.name}"] = path.read_bytes()
    for name, content in files.items():
        (desk / name).parent.mkdir(parents=True, exist_ok=True)
        (desk / name).write_bytes(content)
    return module


def read_report(desk: Path) -> Report:
    """What the proof wrote; ModuleUnproved where it ended without a word."""
    try:
        told = json.loads(read_back(desk / "report.json"))
        return Report(**{one.name: told[one.name] for one in fields(Report)})
    except (ValueError, KeyError, TypeError) as error:
        raise _no_report(desk / "report.json", f"{type(error).__name__}: {error}") from error


def read_back(path: Path) -> bytes:
    """A file that a container wrote; ModuleUnproved where it is none, or larger than an honest one.

    A container may leave a link to a file of the host, or a pipe that never ends, in its place.
    """
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise _no_report(path, error.strerror or str(error)) from error
    with open(number, "rb") as file:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise _no_report(path, "it is no file")
        content = file.read(MOST_BACK + 1)
    if len(content) > MOST_BACK:
        raise _no_report(path, f"it has more than {MOST_BACK:,} bytes")
    return content


def _no_report(path: Path, reason: str) -> ModuleUnproved:
    return ModuleUnproved(
        "The run left no {name} that can be read: {reason}.",
        do="Run it again; if it ends like this again, it needs more memory than it is given.",
        name=path.name,
        reason=reason.rstrip("."),
    )


def parse_parameters(words: Sequence[str]) -> dict[str, Any]:
    """`name=value` words as parameters of a notebook; values are read as YAML."""
    found = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign or not name.isidentifier():
            raise BadInput(
                "'{word}' is no parameter.",
                given=word,
                do="Write it as name=value, such as --set seed=2.",
                word=word,
            )
        found[name] = yaml.safe_load(value)
    return found


def _seconds(module: Module, ask: Ask) -> int:
    if ask.profile not in PROFILES and ask.profile not in module.budgets:
        raise UnknownProfile(
            "There is no profile '{profile}'.{hint}",
            given=ask.profile,
            allowed=PROFILES,
            do="Choose one of: {known}.",
            profile=ask.profile,
            hint=nearest(ask.profile, PROFILES),
            known=", ".join(PROFILES),
        )
    budget = module.budgets.get(ask.profile)
    if budget is None:
        raise UnknownProfile(
            "{id} has no budget for the profile '{profile}'.",
            given=ask.profile,
            allowed=list(module.budgets),
            do="Write it under `budgets` in module.yaml.",
            id=module.id,
            profile=ask.profile,
        )
    return round(budget.seconds * ask.patience)
