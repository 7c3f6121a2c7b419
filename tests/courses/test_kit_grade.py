"""Grading: which cells count as answers, and what the published check says of them."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for kit_module.py

from kit_module import write_module

from course_kit import grade


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def dice(a, b):\n    inner = 1", {"dice"}),
        ("dice = lambda a: (b := a)", {"dice"}),
        ("low, high = 1, 2", {"low", "high"}),
        ("if True:\n    level = 40", {"level"}),
        ("from mine import good as dice", {"dice"}),
        ("import numpy.linalg", {"numpy"}),
        ("for level in range(3):\n    pass", {"level"}),
        ("dice = page.answer('dice', otherwise=metrics.dice)", set()),
        ("print(dice)", set()),
        ("%matplotlib inline", set()),
        ("def wrong(", set()),
        ("x = '\0'", set()),
    ],
)
def test_the_names_that_a_cell_binds_are_found(source: str, expected: set[str]) -> None:
    assert grade.bound(source) == expected


def test_names_are_found_in_code_nested_deeper_than_python_reads() -> None:
    assert grade.bound("(" * 5000 + "1" + ")" * 5000) == set()


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = write_module(tmp_path / "module")
    monkeypatch.setenv(grade.MODULE, str(folder))
    return folder


@pytest.mark.parametrize(
    ("names", "passed", "said"),
    [
        ({"area": lambda a, b: a * b}, True, ""),
        ({"area": lambda a, b: a + b}, False, "An area is not a sum."),
        ({"area": lambda a, b: math.nan}, False, "NaN"),
        ({"area": ...}, False, "still open"),
        ({}, False, "still open"),
    ],
)
def test_an_answer_is_judged_by_the_published_check(
    published: Path, names: dict[str, object], passed: bool, said: str
) -> None:
    found = json.loads(grade.verdict("area", names))
    assert found["passed"] is passed
    assert said in found["message"]


def test_a_file_that_is_no_notebook_brings_nothing_and_says_so(tmp_path: Path) -> None:
    write_module(tmp_path / "module")
    (tmp_path / "student.ipynb").write_text("once upon a time")
    given = grade.grade(tmp_path, 10)
    assert (given.points, given.of) == (0, 8)
    assert given.problem.startswith("It is no notebook that can be read")
    assert "`area`" in given.exercises["area"].message
