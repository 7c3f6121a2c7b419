"""The proof of a module finds each way in which a module can break its word."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for kit_module.py

from kit_module import EXERCISES, QUIZ, choice, claim, exercise, write_module

from course_kit import prove

SOLUTIONS = {
    "area": "def area(a, b):\n    return a * b\n",
    "level": "level = 40\n",
    "table": "table = np.zeros((2, 2))\n",
    "word": "def word():\n    return 'yes'\n",
}
STUBS = {
    "area": "def area(a, b):\n    ...\n",
    "level": "level = ...\n",
    "table": "table = ...\n",
    "word": "def word():\n    ...\n",
}
WRONG = {
    "area_sum": "# says: not a sum\ndef area(a, b):\n    return a + b\n",
    "level_edge": "# says: the middle\nlevel = 400\n",
    "table_flat": "# says: has the shape\ntable = np.zeros(4)\n",
    "word_no": "# says: It says no\ndef word():\n    return 'no'\n",
}
LESSON = [
    ("imports", "import numpy as np\nfrom course_kit import open_page\npage = None\n"),
    ("parameters", "epochs = 40\n"),
]


def lay(
    desk: Path,
    *,
    solutions: dict[str, str] = SOLUTIONS,
    stubs: dict[str, str] = STUBS,
    wrong: dict[str, str] = WRONG,
    cells: list[tuple[str, str]] = LESSON,
    ask: dict[str, Any] | None = None,
    **module: Any,
) -> Path:
    """Write a desk for a proof."""
    write_module(desk / "module", **module)
    (desk / "wrong").mkdir()
    for name, source in wrong.items():
        (desk / "wrong" / f"{name}.py").write_text(source)
    told = [{"name": name, "stub": source, "solution": source} for name, source in LESSON]
    told += [{"name": id, "stub": stubs[id], "solution": solutions[id]} for id in solutions]
    (desk / "cells.json").write_text(json.dumps(told))
    notebook = nbformat.v4.new_notebook()
    for name, source in cells:
        cell = nbformat.v4.new_code_cell(source, id=name)
        cell.metadata["tags"] = [name] if name == "parameters" else []
        notebook.cells.append(cell)
    nbformat.write(notebook, desk / "lesson.ipynb")
    asked = {"profile": "ci", "language": "en", "parameters": {}, "seconds": 60}
    asked |= {"what": ["exercises"]} | (ask or {})
    (desk / "ask.json").write_text(json.dumps(asked))
    return desk


def problems(desk: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    # `main` sets these for its kernel; here they are put back.
    for name in ("RADLAB_PROFILE", "RADLAB_LANGUAGE", "RADLAB_CLAIMS"):
        monkeypatch.setenv(name, "")
    code = prove.main([str(desk)])
    report = json.loads((desk / "report.json").read_text())
    assert report["ok"] is (code == 0) is (not report["problems"])
    return list(report["problems"])


def test_a_module_that_keeps_its_word_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert problems(lay(tmp_path), monkeypatch) == []
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["exercises"] == dict.fromkeys(SOLUTIONS, 1)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"exercises": EXERCISES[:3]}, "has 3 exercises; at least 4"),
        ({"quiz": QUIZ[:4]}, "has 4 questions; at least 5"),
        ({"quiz": [*QUIZ[:4], choice("far", objective=3)]}, "far: objective 3 is none of the 2"),
        ({"quiz": [*QUIZ[:4], choice("q9", ask={"en": "Which?"})]}, "q9: “Which?” is not in zh_CN"),
        ({"exercises": [*EXERCISES[:3], exercise("extra")]}, "extra: no cell of that name"),
        ({"solutions": SOLUTIONS | {"level": "level = 41"}}, "level: its check refuses the sol"),
        ({"stubs": STUBS | {"level": "level = 40 "}}, "level: its check passes the untouched gap"),
        ({"stubs": STUBS | {"level": "level = 40\n"}}, "level: no cell of that name has a gap"),
        ({"wrong": WRONG | {"level_edge": "level = 1"}}, "its first line must be `# says:"),
        ({"wrong": WRONG | {"level_ok": "# says: no\nlevel = 40"}}, "passes this wrong answer"),
        ({"wrong": WRONG | {"level_x": "# says: tea\nlevel = 4"}}, "the middle.”, without “tea”"),
        (
            {"wrong": WRONG | {"level_x": "# says: the middle\nlevel = 4"}},
            "also that of level_e",
        ),
        ({"wrong": WRONG | {"level_x": "# says: open\nlevel = ..."}}, "is also that of the gap"),
        ({"wrong": WRONG | {"level_x": "# says: open\nother = 1"}}, "makes no `level`"),
        ({"wrong": WRONG | {"level_x": "# says: open\n1 / 0"}}, "the cell itself stops: ZeroDiv"),
        ({"wrong": {}}, "area: wrong/ has no known wrong answer"),
        ({"claims": {"claims": [claim("lead", "over")]}}, "`relation` is one of"),
    ],
)
def test_each_broken_word_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], says: str
) -> None:
    found = problems(lay(tmp_path, **changes), monkeypatch)
    assert any(says in problem for problem in found), found


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ([{"name": "imports", "stub": "", "solution": ""}], "no cell named 'parameters'"),
        (
            [
                {"name": "imports", "stub": "", "solution": "import no_such_package"},
                {"name": "parameters", "stub": "", "solution": ""},
            ],
            "The cell 'imports' stops in this image: ModuleNotFoundError: No module named 'no_such",
        ),
    ],
)
def test_a_page_that_cannot_begin_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cells: list[dict[str, str]], says: str
) -> None:
    desk = lay(tmp_path)
    (desk / "cells.json").write_text(json.dumps(cells))
    here = Path.cwd()
    assert any(says in problem for problem in problems(desk, monkeypatch))
    assert Path.cwd() == here


def test_answers_of_one_exercise_do_not_serve_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uses = SOLUTIONS | {"table": "table = np.full((2, 2), level)\n"}
    found = problems(lay(tmp_path, solutions=uses), monkeypatch)
    assert any("table: its check refuses the solution" in problem for problem in found)
    assert any("NameError: name 'level' is not defined" in problem for problem in found)


RUN = [
    *LESSON[1:],
    (
        "judge",
        "import json, os\n"
        "row = {'id': 'lead', 'value': epochs / 100, 'held': epochs >= 20, 'profile': 'ci'}\n"
        "open(os.environ['RADLAB_CLAIMS'], 'a').write(json.dumps(row) + '\\n')\n",
    ),
]


def test_a_run_is_executed_with_its_parameters_and_its_claims_are_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = {"what": ["run"], "parameters": {"epochs": 30}}
    assert problems(lay(tmp_path, cells=RUN, ask=ask), monkeypatch) == []
    report = json.loads((tmp_path / "report.json").read_text())
    assert [(one["id"], one["value"]) for one in report["claims"]] == [("lead", 0.3)]
    assert (tmp_path / "run.ipynb").is_file()


@pytest.mark.parametrize(
    ("cells", "ask", "says"),
    [
        (RUN, {"parameters": {"epochs": 10}}, "the text says ≥ 0.2, the run found 0.1"),
        (RUN[:1], {}, "the run never called page.claim"),
        ([*RUN, ("more", "1 / 0")], {}, "A cell stopped: "),
        ([*RUN, ("slow", "import time\ntime.sleep(30)")], {"seconds": 1}, "The run ended early: "),
        (RUN[1:], {"parameters": {"epochs": 10}}, "no cell tagged `parameters`"),
    ],
)
def test_a_run_that_breaks_its_word_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cells: list[tuple[str, str]],
    ask: dict[str, Any],
    says: str,
) -> None:
    desk = lay(tmp_path, cells=cells, ask={"what": ["run"]} | ask)
    found = problems(desk, monkeypatch)
    assert any(says in problem for problem in found), found


def test_a_run_for_which_no_claims_are_asked_may_break_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = {"what": ["run"], "claims": False, "parameters": {"epochs": 1}}
    assert problems(lay(tmp_path, cells=RUN, ask=ask), monkeypatch) == []
