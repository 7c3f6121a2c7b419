"""From `lesson.py` to the notebooks that students open: building and publishing a module.

A lesson is one file in jupytext's percent format; each cell bears a name, which becomes its id in
the notebook, so that answers are found by name and a rebuilt notebook has the same bytes. Between
`# BEGIN SOLUTION` and `# END SOLUTION` stands what a student is to write: the student's copy has a
gap there. A cell tagged `folded` shows its output, and its code on a click.

Published versions never change: the same version with other content is refused, because students
keep copies and ask "which one do you have?". A change therefore raises `version` in `module.yaml`.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext
import nbformat

from hub_config.errors import BadInput, Conflict
from hub_config.offers.modules import (
    BUILT_METADATA,
    METADATA,
    NOTEBOOKS,
    Module,
    next_version,
    published_versions,
    read_built,
    read_module,
)
from hub_config.offers.prose import Prose, read_prose
from hub_config.settings import Settings

LESSON = "lesson.py"
SHIPPED = ("exercises.yaml", "quiz.yaml", "claims.yaml", "checks.py")
PICTURES = "pictures"
MOST_BYTES = 20_000_000
PROSE = {"zh_CN": "lesson.zh.md"}
_TURN = {"en": "your turn", "zh_CN": "轮到你了"}
_SOLUTION = re.compile(
    r"^(?P<indent>[ \t]*)# BEGIN SOLUTION\n.*?^[ \t]*# END SOLUTION$", re.DOTALL | re.MULTILINE
)
_MARKER = re.compile(r"# (BEGIN|END) SOLUTION")
_CELL_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")


class BrokenLesson(BadInput):
    """A lesson cannot be built."""

    code = "broken_lesson"


class ModuleChanged(Conflict):
    """A published version of a module would change."""

    code = "module_changed"


@dataclass(frozen=True)
class Cell:
    """One cell of a lesson, as it stands in `lesson.py`."""

    name: str
    kind: str
    source: str
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Published:
    """A module in its built folder; `changed` is False where it already lay there."""

    module: Module
    folder: Path
    changed: bool


def read_lesson(path: Path) -> list[Cell]:
    """The cells of a lesson; BrokenLesson names the cell that has no name, or the line."""
    try:
        text = path.read_text(encoding="utf-8")
        notebook = jupytext.reads(text, fmt="py:percent")
    except (OSError, UnicodeDecodeError) as error:
        raise _broken(path, str(error)) from error
    cells = [_cell(path, number, cell) for number, cell in enumerate(notebook.cells, start=1)]
    names = [cell.name for cell in cells]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise _broken(path, f"two cells are named '{twice}'")
    if not cells:
        raise _broken(path, "it has no cell")
    return cells


def build_notebook(
    module: Module,
    cells: Sequence[Cell],
    *,
    language: str = "en",
    prose: Prose | None = None,
    solutions: bool = False,
) -> str:
    """The notebook of a lesson in one language as JSON text: no outputs, the same bytes each time.

    `prose` translates it; with `solutions` the gaps are filled.
    """
    built = [_built_cell(cell, language, prose, solutions) for cell in cells]
    if prose is not None:
        prose.refuse_unused()
    notebook = {
        "cells": built,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"file_extension": ".py", "name": "python"},
            "radlab": {"language": language, "module": module.id, "version": module.version},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    nbformat.validate(notebook)
    return json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def build_files(
    folder: Path, origin: Mapping[str, str] | None = None
) -> tuple[Module, dict[str, bytes]]:
    """A module and the files of its built folder, by name, from its source folder.

    `origin` is where the folder came from (address, commit); it is kept with the module.
    """
    refuse_links(folder)
    module = read_module(folder)
    if origin:
        module = module.model_copy(update={"source": dict(origin)})
    cells = read_lesson(folder / LESSON)
    files = {}
    for language in module.languages:
        prose = read_prose(folder / PROSE[language]) if language in PROSE else None
        text = build_notebook(module, cells, language=language, prose=prose)
        files[NOTEBOOKS[language]] = text.encode()
    facts = json.dumps(module.model_dump(), indent=1, sort_keys=True, ensure_ascii=False)
    files[BUILT_METADATA] = (facts + "\n").encode()
    return module, files | shipped_files(folder)


def shipped_files(folder: Path) -> dict[str, bytes]:
    """What a module brings beside its notebooks: by name, `pictures/` included.

    Solutions, known wrong answers and the instructor's notes stay behind.
    """
    named = [folder / name for name in SHIPPED]
    helpers = [path for path in folder.glob("*.py") if path.name != LESSON]
    pictures = (folder / PICTURES).rglob("*")
    files: dict[str, bytes] = {}
    for path in sorted({*named, *helpers, *pictures}):
        if path.is_file() and "__pycache__" not in path.parts:
            files[str(path.relative_to(folder))] = path.read_bytes()
    size = sum(map(len, files.values()))
    if size > MOST_BYTES:
        raise _broken(folder, f"its files have {size:,} bytes; {MOST_BYTES:,} are allowed")
    return files


def refuse_links(folder: Path) -> None:
    """BrokenLesson where a module's folder holds a link: it would show a file of another."""
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise _broken(path, "it is a link; a module holds its own files")


def publish_module(source: Path, out: Path, origin: Mapping[str, str] | None = None) -> Published:
    """Build the module of `source` into `out/<id>/<version>/`; ModuleChanged if that differs."""
    module, files = build_files(source, origin)
    folder = out / module.folder
    if folder.exists():
        if not _same(folder, module, files):
            raise _changed(module, source, out)
        return Published(module, folder, changed=False)
    _write(folder, files)
    return Published(module, folder, changed=True)


def publish_modules(settings: Settings, courses: Path) -> list[Published]:
    """Publish every module of `courses`; what is published already is left as it is."""
    return [publish_module(source, settings.path("modules")) for source in sources(courses)]


def sources(courses: Path) -> list[Path]:
    """The folders of `courses` that hold a module, by name."""
    return sorted(path.parent for path in Path(courses).glob(f"*/{METADATA}"))


def with_gaps(source: str, language: str = "en") -> str:
    """Code with each solution replaced by `...`, which runs and does nothing."""
    return _SOLUTION.sub(lambda found: f"{found['indent']}...  # {_TURN[language]}", source)


def with_solutions(source: str) -> str:
    """Code with its solutions, without the markers."""
    return "\n".join(line for line in source.split("\n") if not _MARKER.fullmatch(line.strip()))


def _cell(path: Path, number: int, cell: Any) -> Cell:
    name = str(cell.metadata.get("name", ""))
    if not _CELL_NAME.fullmatch(name):
        start = " ".join(cell.source.split())[:40]
        raise _broken(
            path,
            f"cell {number} (“{start}”) needs a name of small letters, digits and hyphens, "
            'such as `# %% name="train"`',
        )
    if cell.cell_type not in ("code", "markdown"):
        raise _broken(path, f"the cell '{name}' is {cell.cell_type}; only code and markdown are")
    if cell.cell_type == "code":
        _refuse_broken_code(path, name, cell.source)
    return Cell(name, cell.cell_type, cell.source, tuple(cell.metadata.get("tags", ())))


def _refuse_broken_code(path: Path, name: str, source: str) -> None:
    if _MARKER.search(with_gaps(source)):
        raise _broken(path, f"a solution in the cell '{name}' is not closed or not opened")
    for version in (with_gaps(source), with_solutions(source)):
        try:
            ast.parse(version)
        except SyntaxError as error:
            raise _broken(path, f"the code of the cell '{name}': {error.msg}") from error


def _built_cell(cell: Cell, language: str, prose: Prose | None, solutions: bool) -> dict[str, Any]:
    built: dict[str, Any] = {"cell_type": cell.kind, "id": cell.name, "metadata": {}}
    if cell.kind == "markdown":
        text = prose.markdown(cell.name, cell.source) if prose else cell.source
        return built | {"source": text.splitlines(keepends=True)}
    if cell.tags:
        built["metadata"]["tags"] = list(cell.tags)
    if "folded" in cell.tags:
        built["metadata"]["jupyter"] = {"source_hidden": True}
    source = with_solutions(cell.source) if solutions else with_gaps(cell.source, language)
    text = prose.code(cell.name, source) if prose else source
    lines = text.splitlines(keepends=True)
    return built | {"execution_count": None, "outputs": [], "source": lines}


def _same(folder: Path, module: Module, files: Mapping[str, bytes]) -> bool:
    """True where that version lies there already, wherever it was published from."""
    there, wanted = _content(folder), dict(files)
    if there.pop(BUILT_METADATA, None) is None:
        return False
    del wanted[BUILT_METADATA]
    facts = read_built(folder / BUILT_METADATA).model_dump(exclude={"source"})
    return there == wanted and facts == module.model_dump(exclude={"source"})


def _content(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def _write(folder: Path, files: dict[str, bytes]) -> None:
    # Whole or not at all: readers see the folder only by the rename.
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=folder.parent))
    try:
        for name, content in files.items():
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            (draft / name).write_bytes(content)
            (draft / name).chmod(0o644)
        # Students' containers read it as another user, whatever the umask here.
        for inner in [draft, *(path for path in draft.rglob("*") if path.is_dir())]:
            inner.chmod(0o755)
        os.rename(draft, folder)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _changed(module: Module, source: Path, out: Path) -> ModuleChanged:
    newest = published_versions(out)[module.id][-1].version
    return ModuleChanged(
        "Module {id} {version} is published already, with other content; a published version "
        "never changes, because students keep copies of it.",
        given=module.version,
        do="Set `version: {next}` in {path} and build again.",
        id=module.id,
        version=module.version,
        next=next_version(newest),
        path=source / METADATA,
    )


def _broken(path: Path, reason: str) -> BrokenLesson:
    return BrokenLesson(
        "{path} cannot be built: {reason}.",
        given=str(path),
        do="Correct it; courses/README.md describes the format.",
        path=path,
        reason=reason.rstrip("."),
    )
