"""Grades students' notebooks, each in a container of its own that is thrown away.

The container is fenced in as a session of the module is, without a network, and can write nothing
of this machine: what it found is the last line of its output. Of that line nothing is believed but
numbers within what the module can give: a notebook that attacks its grader can change its own
grade, and nothing else.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from docker.errors import APIError

from hub_config.errors import NotFound
from hub_config.machine.course_run import (
    GRACE_SECONDS,
    LABEL,
    PREPARED,
    desk_folder,
    docker_client,
    fence,
    in_this_python,
    running,
    silent,
    stopped_by_signals,
)
from hub_config.offers.modules import NOTEBOOKS, Module, UnknownModule, published_versions
from hub_config.offers.proving import PATIENCE, ModuleUnproved
from hub_config.settings import Settings

MARK = "GRADE "
MOST_BYTES = 20_000_000
MOST_LETTERS = 600
PROFILE = "ci"
COMMAND = PREPARED + "exec python -m course_kit.grade /desk\n"


class NoSuchNotebook(NotFound):
    """A notebook that is to be graded is not there."""

    code = "no_such_notebook"


@dataclass(frozen=True)
class Mark:
    """What one exercise brought, and what its check said where that was not all."""

    passed: bool
    points: int
    of: int
    message: str = ""


@dataclass(frozen=True)
class Grade:
    """What one notebook brought; `problem` says why it could not be run to its end."""

    notebook: str
    module: str
    version: str
    points: int
    of: int
    exercises: Mapping[str, Mark] = field(default_factory=dict)
    stopped: int = 0
    seconds: float = 0.0
    problem: str = ""


def grade_all(
    settings: Settings,
    id: str,
    notebooks: Sequence[Path],
    *,
    language: str = "en",
    jobs: int = 1,
    here: bool = False,
) -> list[Grade]:
    """Grade notebooks of a published module, `jobs` at a time; UnknownModule, NoSuchNotebook."""
    versions = published_versions(settings.path("modules")).get(id)
    if not versions:
        raise UnknownModule(
            "There is no published course module '{id}'.",
            given=id,
            do="`./radlab course list` names those that are.",
            id=id,
        )
    for path in notebooks:
        if not path.is_file():
            raise NoSuchNotebook(
                "There is no notebook {path}.", given=str(path), do="Give its path.", path=path
            )
    label = f"{LABEL}.grading={uuid.uuid4().hex}"
    one = partial(_grade, settings, versions, language=language, here=here, label=label)
    with stopped_by_signals(), ThreadPoolExecutor(max_workers=jobs) as pool:
        try:
            return list(pool.map(one, notebooks))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            if not here:
                _remove(label)
            raise


def _remove(label: str) -> None:
    """End the runs that are under way; each then clears its own desk."""
    with contextlib.closing(docker_client()) as client:
        for container in client.containers.list(filters={"label": label}):
            with contextlib.suppress(APIError):
                container.remove(force=True)


def _grade(
    settings: Settings,
    versions: Sequence[Module],
    path: Path,
    *,
    language: str,
    here: bool,
    label: str,
) -> Grade:
    """The grade of one notebook; what is wrong with it is told, not raised."""
    content = path.read_bytes() if path.stat().st_size <= MOST_BYTES else b""
    module = _version(versions, content)
    folder = settings.path("modules", module.folder)
    blank = _blank(module, path, folder)
    if not content:
        return _failed(blank, f"It is empty, or larger than {MOST_BYTES:,} bytes.")
    with desk_folder() as desk:
        _lay(desk, module, folder, content, language)
        try:
            if here:
                said = in_this_python("course_kit.grade", module, desk, settings)[1]
            else:
                said = _run_in_image(settings, module, desk, language, label)
        except ModuleUnproved as error:
            return _failed(blank, str(error))
    return _read(blank, said)


def _version(versions: Sequence[Module], content: bytes) -> Module:
    """The version that the notebook was given out as; the newest where it does not say."""
    with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
        wanted = json.loads(content)["metadata"]["radlab"]["version"]
        return next((one for one in versions if one.version == wanted), versions[-1])
    return versions[-1]


def _lay(desk: Path, module: Module, folder: Path, content: bytes, language: str) -> None:
    shutil.copytree(folder, desk / "module")
    (desk / "fresh").mkdir()
    for name in {module.notebook(one) for one in NOTEBOOKS}:
        shutil.copy(folder / name, desk / "fresh" / name)
    (desk / "student.ipynb").write_bytes(content)
    ask = {"profile": PROFILE, "language": language, "seconds": _seconds(module)}
    (desk / "ask.json").write_text(json.dumps(ask))


def _seconds(module: Module) -> float:
    """Twice the budget of a short run: a student's page may be slower than ours."""
    budget = module.budgets.get(PROFILE)
    return (budget.seconds if budget else 60) * PATIENCE


def _run_in_image(settings: Settings, module: Module, desk: Path, language: str, label: str) -> str:
    limits = fence(module, settings, language)
    name, _, value = label.partition("=")
    limits["labels"] |= {name: value}
    limits["volumes"] |= {
        str(desk): {"bind": "/desk", "mode": "ro"},
        str(desk / "module"): {"bind": f"/modules/{module.folder}", "mode": "ro"},
    }
    with (
        contextlib.closing(docker_client()) as client,
        running(client, module, settings, COMMAND, limits) as container,
    ):
        status = container.wait(timeout=_seconds(module) + GRACE_SECONDS)
        said = container.logs(stdout=True, stderr=False).decode(errors="replace")
        if MARK not in said:
            raise silent(module, container, int(status["StatusCode"]))
    return str(said)


def _blank(module: Module, path: Path, folder: Path) -> Grade:
    """Nothing reached yet; exercises and points as they are published."""
    published = yaml.safe_load((folder / "exercises.yaml").read_text(encoding="utf-8"))
    marks = {str(one["id"]): Mark(False, 0, int(one["points"])) for one in published}
    most = sum(mark.of for mark in marks.values())
    return Grade(str(path), module.id, module.version, 0, most, marks)


def _failed(blank: Grade, problem: str) -> Grade:
    return replace(blank, problem=problem)


def _read(blank: Grade, said: str) -> Grade:
    """The grade of the output's last marked line, held within what the module can give."""
    lines = [line for line in said.splitlines() if line.startswith(MARK)]
    try:
        told = json.loads(lines[-1].removeprefix(MARK))
        marks = {id: _mark(mark, told["exercises"][id]) for id, mark in blank.exercises.items()}
        rest: dict[str, Any] = {
            "stopped": int(told["stopped"]),
            "seconds": float(told["seconds"]),
            "problem": str(told["problem"])[:MOST_LETTERS],
        }
    except (IndexError, ValueError, KeyError, TypeError) as error:
        return _failed(blank, f"Its run ended without a grade: {type(error).__name__}.")
    points = sum(mark.points for mark in marks.values())
    return replace(blank, points=points, exercises=marks, **rest)


def _mark(blank: Mark, told: Mapping[str, Any]) -> Mark:
    passed = told["passed"] is True
    return Mark(passed, blank.of if passed else 0, blank.of, str(told["message"])[:MOST_LETTERS])
