"""Grades: what of a stranger's output is believed, and which version judges."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hub_config.machine import course_grading
from hub_config.machine.course_grading import MARK, Grade, NoSuchNotebook, grade_all
from hub_config.offers.modules import UnknownModule
from hub_config.settings import Settings

FACTS: dict[str, Any] = {
    "id": "20_films",
    "title": {"en": "Films"},
    "summary": {"en": "Films."},
    "objectives": {"en": ["See"]},
    "minutes": 45,
    "image": "imaging",
    "languages": ["en"],
    "order": 20,
    "budgets": {"ci": {"seconds": 30}},
}
EXERCISES = [{"id": "area", "points": 2}, {"id": "level", "points": 1}]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    for version in ("1.0.0", "1.1.0"):
        folder = tmp_path / "modules" / "20_films" / version
        folder.mkdir(parents=True)
        (folder / "module.json").write_text(json.dumps({**FACTS, "version": version}))
        (folder / "exercises.yaml").write_text(json.dumps(EXERCISES))
        (folder / "lesson.ipynb").write_text(json.dumps({"fresh": version}))
    return Settings(state=str(tmp_path))


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    path = tmp_path / "anna.ipynb"
    path.write_text(json.dumps({"metadata": {"radlab": {"version": "1.0.0"}}}))
    return path


def told(**changes: Any) -> str:
    marks = {
        "area": {"passed": True, "points": 2, "of": 2, "message": ""},
        "level": {"passed": False, "points": 0, "of": 1, "message": "The level is the middle."},
    }
    whole = {"points": 2, "of": 3, "exercises": marks, "stopped": 1, "seconds": 2.5, "problem": ""}
    return "noise\n" + MARK + json.dumps(whole | changes) + "\n"


def graded(monkeypatch: pytest.MonkeyPatch, settings: Settings, path: Path, output: str) -> Grade:
    """The grade where the run in this Python says `output`."""

    def run(program: str, module: Any, desk: Path, settings: Settings) -> tuple[int, str]:
        assert json.loads((desk / "ask.json").read_text())["seconds"] == 60
        assert (desk / "student.ipynb").read_bytes() == path.read_bytes()
        fresh = json.loads((desk / "fresh" / "lesson.ipynb").read_text())
        assert fresh == {"fresh": module.version}
        return 0, output

    monkeypatch.setattr(course_grading, "in_this_python", run)
    (one,) = grade_all(settings, "20_films", [path], here=True)
    return one


def test_the_points_of_the_run_are_those_of_the_notebook(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, notebook: Path
) -> None:
    one = graded(monkeypatch, settings, notebook, told())
    assert (one.points, one.of, one.stopped, one.seconds) == (2, 3, 1, 2.5)
    assert one.exercises["level"].message == "The level is the middle."


def test_the_version_that_was_given_out_judges(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, notebook: Path
) -> None:
    assert graded(monkeypatch, settings, notebook, told()).version == "1.0.0"


@pytest.mark.parametrize(
    "content",
    [
        "{}",
        "no notebook",
        '{"metadata": {"radlab": {"version": "9.9.9"}}}',
        '{"metadata": {"radlab": ["1.0.0"]}}',
    ],
)
def test_the_newest_version_judges_where_the_notebook_names_none_that_is_published(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, notebook: Path, content: str
) -> None:
    notebook.write_text(content)
    assert graded(monkeypatch, settings, notebook, told()).version == "1.1.0"


def test_more_points_than_the_module_gives_are_not_believed(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, notebook: Path
) -> None:
    rich = {"passed": True, "points": 1000, "of": 1000, "message": "x" * 5000}
    forged = {"area": rich, "level": rich, "more": rich}
    one = graded(monkeypatch, settings, notebook, told(points=1000, of=1, exercises=forged))
    assert (one.points, one.of) == (3, 3)
    assert set(one.exercises) == {"area", "level"}
    assert len(one.exercises["area"].message) == 600


@pytest.mark.parametrize(
    "output",
    ["", "noise", MARK, MARK + "[]", MARK + "{}", MARK + '{"exercises": 3}', told(exercises={})],
)
def test_a_run_that_ends_without_a_grade_brings_nothing_and_says_so(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, notebook: Path, output: str
) -> None:
    one = graded(monkeypatch, settings, notebook, output)
    assert one.points == 0 and one.of == 3
    assert one.problem.startswith("Its run ended without a grade")


def test_the_last_marked_line_counts(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, notebook: Path
) -> None:
    forged = told(stopped=7)
    assert graded(monkeypatch, settings, notebook, forged + told()).stopped == 1


def test_a_notebook_beyond_all_measure_is_not_run(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, notebook: Path
) -> None:
    monkeypatch.setattr(course_grading, "MOST_BYTES", 10)
    one = graded(monkeypatch, settings, notebook, told())
    assert one.points == 0 and "larger than 10 bytes" in one.problem


def test_a_module_that_is_not_published_grades_nothing(settings: Settings, notebook: Path) -> None:
    with pytest.raises(UnknownModule, match="no published course module '21_films'"):
        grade_all(settings, "21_films", [notebook], here=True)


def test_a_notebook_that_is_not_there_is_named(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(NoSuchNotebook, match=r"ben\.ipynb"):
        grade_all(settings, "20_films", [tmp_path / "ben.ipynb"], here=True)
