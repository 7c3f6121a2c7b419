"""Grade a student's notebook in the image that its student had: `python -m course_kit.grade DESK`.

The host writes into DESK, which stays read-only: `module/` (what is published), `fresh/*.ipynb`
(the page as it was given out), `student.ipynb` and `ask.json`:

    {"profile": "ci", "language": "en", "seconds": 60}

The notebook runs whole in a kernel of its own; a cell that stops does not stop the others, one that
never ends is interrupted. An answer is found by its name, wherever it stands: after each cell that
binds it and that is not as it was given out, the published check judges it. So a copied, moved or
renamed cell counts, and what a later cell of the lesson puts under the same name does not. Of
several answers the best counts. The last line of the output is the grade as JSON.

Who attacks the grader from within a notebook can only change the own grade: the container has
nobody else's work, no network, and is thrown away.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from course_kit.checking import judge, load_checks
from course_kit.files import Files, read_files
from course_kit.texts import say

MARK = "GRADE "
MODULE = "RADLAB_GRADED_MODULE"
MOST_LETTERS = 600


@dataclass
class Mark:
    """What one exercise brought."""

    passed: bool = False
    points: int = 0
    of: int = 0
    message: str = ""


@dataclass
class Grade:
    """What a notebook brought; `problem` is a sentence where it could not be run to its end."""

    points: int = 0
    of: int = 0
    exercises: dict[str, Mark] = field(default_factory=dict)
    stopped: int = 0
    seconds: float = 0.0
    problem: str = ""


def main(arguments: list[str]) -> int:
    """Grade what lies in the folder that is named."""
    desk = Path(arguments[0]).resolve()
    ask = json.loads((desk / "ask.json").read_text(encoding="utf-8"))
    os.environ["RADLAB_PROFILE"] = ask["profile"]
    os.environ["RADLAB_LANGUAGE"] = ask["language"]
    given = grade(desk, float(ask["seconds"]))
    print(MARK + json.dumps(asdict(given), ensure_ascii=False), flush=True)
    return 0


def grade(desk: Path, seconds: float) -> Grade:
    """The grade of `desk/student.ipynb`; never raises for what the notebook holds."""
    files = read_files(desk / "module")
    given = Grade(of=sum(one.points for one in files.exercises.values()))
    for id, exercise in files.exercises.items():
        message = say("untouched", name=exercise.answer)
        given.exercises[id] = Mark(of=exercise.points, message=message)
    start = time.monotonic()
    try:
        sources = code_of(desk / "student.ipynb")
        as_given = {text for path in (desk / "fresh").glob("*.ipynb") for text in code_of(path)}
    except Exception as error:
        # Whatever a file that is called .ipynb holds.
        given.problem = _short(f"It is no notebook that can be read: {error}")
        return given
    with tempfile.TemporaryDirectory(prefix="grade-", ignore_cleanup_errors=True) as work:
        home = Path(work) / "page"
        shutil.copytree(files.folder, home)
        os.environ[MODULE] = str(files.folder)
        _run(sources, as_given, home, files, given, start + seconds)
    given.points = sum(one.points for one in given.exercises.values())
    given.seconds = round(time.monotonic() - start, 1)
    return given


def code_of(path: Path) -> list[str]:
    """The code of a notebook's cells, in their order."""
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    return [str(cell.source) for cell in notebook.cells if cell.cell_type == "code"]


def bound(source: str) -> set[str]:
    """The names that a cell's code binds at its top level, but for those it takes of `page.answer`."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    names: set[str] = set()
    left: list[ast.AST] = list(body)
    while left:
        node = left.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif not isinstance(node, ast.Lambda) and not _is_lent(node):
            left += ast.iter_child_nodes(node)
    return names


def verdict(id: str, names: Mapping[str, Any]) -> str:
    """In the student's kernel: what the published check says of the answer there, as JSON."""
    files, checks = _published(os.environ[MODULE])
    exercise = files.exercises[id]
    found = judge(exercise, names.get(exercise.answer), checks)
    return json.dumps({"passed": found.passed, "message": _short(found.message)})


@functools.cache
def _published(folder: str) -> tuple[Files, ModuleType]:
    return read_files(Path(folder)), load_checks(Path(folder))


def _is_lent(node: ast.AST) -> bool:
    """True for `dice = page.answer("dice", otherwise=...)`, which may bind the kit's own answer."""
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
        return False
    return isinstance(node.value.func, ast.Attribute) and node.value.func.attr == "answer"


def _run(
    sources: list[str], as_given: set[str], home: Path, files: Files, given: Grade, until: float
) -> None:
    """Run the cells one by one and judge the answers as they come."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import DeadKernelError

    client = NotebookClient(
        nbformat.v4.new_notebook(),
        allow_errors=True,
        interrupt_on_timeout=True,
        store_widget_state=False,
        kernel_name="python3",
        resources={"metadata": {"path": str(home)}},
    )
    longest = (until - time.monotonic()) / 3

    def run(source: str) -> Any:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        client.timeout = max(1, int(min(left, longest)))
        cell = nbformat.v4.new_code_cell(source)
        client.nb.cells.append(cell)
        return client.execute_cell(cell, len(client.nb.cells) - 1)

    begun = 0
    try:
        with client.setup_kernel():
            for source in sources:
                begun += 1
                outputs = run(source).outputs
                given.stopped += any(output.output_type == "error" for output in outputs)
                if source in as_given:
                    continue
                names = bound(source)
                for id, exercise in files.exercises.items():
                    if exercise.answer in names:
                        _note(given.exercises[id], run(_question(id)).outputs)
    except TimeoutError:
        given.problem = f"Its time was over before code cell {begun} of {len(sources)}."
    except (DeadKernelError, RuntimeError) as error:
        given.problem = _short(f"Its kernel ended in code cell {begun}: {error}")


def _question(id: str) -> str:
    return f"__import__('course_kit.grade', fromlist=['x']).verdict({id!r}, globals())"


def _note(mark: Mark, outputs: list[Any]) -> None:
    for output in outputs:
        with contextlib.suppress(ValueError, SyntaxError, KeyError, TypeError, AttributeError):
            found = json.loads(ast.literal_eval(output["data"]["text/plain"]))
            if found["passed"]:
                mark.passed, mark.points, mark.message = True, mark.of, ""
            elif not mark.passed:
                mark.message = str(found["message"])[:MOST_LETTERS]


def _short(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else text[: MOST_LETTERS - 3] + "..."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
