"""Sentences for what happens between the cells: run out of order, a full disk, no memory left.

An IPython extension (`%load_ext course_kit.rescue`; the images load it in each kernel). Below the
usual traceback it adds one card that says what to do. For a name that is not there yet it looks in
the page's own notebook which cell makes it.
"""

from __future__ import annotations

import ast
import builtins
import difflib
import errno
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from course_kit.texts import say

KINDS = (NameError, OSError, MemoryError)


def load_ipython_extension(shell: Any) -> None:
    """Register with IPython; what was displayed before is displayed still."""

    def rescued(shell: Any, kind: type, error: BaseException, trace: Any, **options: Any) -> None:
        shell.showtraceback((kind, error, trace), **options)
        text = sentence(error, shell.user_ns, Path.cwd())
        if text:
            from course_kit import show

            show.show(text, kind="note")

    shell.set_custom_exc(KINDS, rescued)


def sentence(error: BaseException, names: Iterable[str], here: Path) -> str:
    """What to do about this error; nothing where there is nothing to add."""
    if isinstance(error, MemoryError):
        return say("rescue_memory")
    if isinstance(error, OSError):
        return say("rescue_disk") if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
    if isinstance(error, NameError) and error.name:
        return _about(error.name, names, here)
    return ""


def _about(name: str, names: Iterable[str], here: Path) -> str:
    line = makers(here).get(name)
    if line and name in ("page", "desk"):
        return say("rescue_page", name=name)
    if line:
        return say("rescue_cell", name=name, line=line)
    known = [known for known in {*names, *dir(builtins)} if not known.startswith("_")]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    return say("rescue_typo", name=name, near=near[0]) if near else ""


def makers(here: Path) -> dict[str, str]:
    """For each name that a cell of the page makes: the first line of the first such cell.

    The page is the notebook beside `module.json`; nothing where there is none.
    """
    if not (here / "module.json").is_file():
        return {}
    found: dict[str, str] = {}
    for path in sorted(here.glob("*.ipynb")):
        for source in _cells(path):
            for name in _made(source):
                found.setdefault(name, source.strip().splitlines()[0])
    return found


def _cells(path: Path) -> list[str]:
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    joined = ["".join(source) for source in code]
    return [source for source in joined if source.strip()]


def _made(source: str) -> set[str]:
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return set()
    made: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            made.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            made.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            made |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    return made
