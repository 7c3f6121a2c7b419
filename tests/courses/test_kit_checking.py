"""Whatever a student's code does becomes a sentence, and the right answer passes."""

from __future__ import annotations

import linecache
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for kit_module.py

from kit_module import CHECKS, write_module

from course_kit.checking import (
    TooLong,
    Verdict,
    Wrong,
    judge,
    load_checks,
    near,
    need_array,
    need_function,
    need_number,
    time_limit,
)
from course_kit.errors import BrokenFile
from course_kit.files import Files, read_files


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return read_files(write_module(tmp_path / "module"))


def verdict(files: Files, id: str, answer: Any, seconds: float = 20) -> Verdict:
    return judge(files.exercises[id], answer, load_checks(files.folder), seconds=seconds)


def cell(source: str, name: str) -> Any:
    """What `name` is after a notebook's cell with that source was run."""
    filename = "<ipython-input-1>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    names: dict[str, Any] = {}
    exec(compile(source, filename, "exec"), names)
    return names[name]


def test_the_right_answer_passes(files: Files) -> None:
    assert verdict(files, "area", lambda a, b: a * b) == Verdict(True)
    assert verdict(files, "level", 40).passed
    assert verdict(files, "level", np.float32(40)).passed
    assert verdict(files, "table", [[1, 2], [3, 4]]).passed


@pytest.mark.parametrize(
    ("id", "answer", "says"),
    [
        ("area", ..., "still open"),
        ("area", None, "still open"),
        ("area", 6, "should be a function, and it is a int"),
        ("area", lambda a: a, "takes 1 values, and it is to take 2"),
        ("area", lambda a, b: None, "gives nothing back"),
        ("area", lambda a, b: ..., "gives nothing back"),
        ("area", lambda a, b: float("nan"), "NaN"),
        ("area", lambda a, b: a + b, "not a sum"),
        ("area", lambda a, b: "six", "not a sum"),
        ("level", ..., "still open"),
        ("level", "forty", "should be a number"),
        ("level", True, "should be a number"),
        ("level", 1j, "should be a number"),
        ("level", 10**400, "should be a number"),
        ("level", np.array(["forty"]), "should be a number"),
        ("level", np.array([1, 2]), "holds 2"),
        ("level", float("nan"), "is NaN"),
        ("level", 41, "the middle"),
        ("table", ..., "still open"),
        ("table", 3, "table of numbers"),
        ("table", [["a", "b"], ["c", "d"]], "table of numbers"),
        ("table", [[1, 2], [3]], "table of numbers"),
        ("table", np.zeros((2, 3)), "has the shape (2, 3), where (2, 2)"),
        ("table", [[1, 2], [3, float("nan")]], "NaN (not a number) in 1 places"),
    ],
)
def test_each_wrong_answer_has_its_own_sentence(
    files: Files, id: str, answer: Any, says: str
) -> None:
    found = verdict(files, id, answer)
    assert not found.passed
    assert says in found.english


def test_an_error_in_the_students_code_shows_the_students_line(files: Files) -> None:
    source = "def area(a, b):\n    sides = [a, b]\n    return sides[2]\n"
    found = verdict(files, "area", cell(source, "area"))
    assert found.line == "return sides[2]"
    assert "IndexError: list index out of range" in found.english


def test_an_error_that_says_nothing_is_named_by_its_kind(files: Files) -> None:
    def area(a: float, b: float) -> float:
        raise ValueError

    assert "ValueError: —" in verdict(files, "area", area).english


def test_a_loop_that_never_ends_is_stopped(files: Files) -> None:
    def area(a: float, b: float) -> float:
        while True:
            try:
                a += b
            except Exception:  # not even this holds it
                continue

    assert "still running after 0.2 seconds" in verdict(files, "area", area, 0.2).english


def test_a_function_that_calls_itself_for_ever_is_told_so(files: Files) -> None:
    def area(a: float, b: float) -> float:
        return area(a, b)

    assert "calls itself" in verdict(files, "area", area).english


def test_the_stop_button_stops_the_check_alone(files: Files) -> None:
    def area(a: float, b: float) -> float:
        raise KeyboardInterrupt

    assert "stopped by hand" in verdict(files, "area", area).english


def test_leaving_the_kernel_from_an_answer_is_no_way_out(files: Files) -> None:
    def area(a: float, b: float) -> float:
        sys.exit(0)

    assert "SystemExit" in verdict(files, "area", area).english


def test_what_an_answer_prints_or_warns_of_is_not_shown(
    files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    def area(a: float, b: float) -> float:
        print("a page of numbers")
        warnings.warn("divided by zero", stacklevel=1)
        return a * b

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        assert verdict(files, "area", area).passed
    assert not warned
    assert capsys.readouterr().out == ""


def test_a_sentence_is_in_the_readers_language(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RADLAB_LANGUAGE", "zh_CN")
    found = verdict(files, "level", 41)
    assert (found.message, found.english) == ("窗位是中点。", "The level is the middle.")
    assert "空还没有填" in verdict(files, "level", ...).message


def test_a_check_that_is_missing_names_its_exercise(tmp_path: Path) -> None:
    files = read_files(write_module(tmp_path, checks="import numpy"))
    with pytest.raises(BrokenFile, match="no function 'area', as area wants"):
        verdict(files, "area", 1)


@pytest.mark.parametrize("checks", ["import nothing_of_the_kind", "def area(:"])
def test_checks_that_cannot_be_imported_are_named(tmp_path: Path, checks: str) -> None:
    folder = write_module(tmp_path, checks=checks)
    with pytest.raises(BrokenFile, match=r"checks\.py cannot be imported"):
        load_checks(folder)
    (folder / "checks.py").unlink()
    with pytest.raises(BrokenFile, match=r"checks\.py is missing"):
        load_checks(folder)


def test_importing_checks_leaves_nothing_in_a_folder_that_is_read_only(tmp_path: Path) -> None:
    folder = write_module(tmp_path)
    load_checks(folder)
    assert not (folder / "__pycache__").exists()


@pytest.mark.parametrize(
    ("value", "expected", "is_near"),
    [
        (1.0, 1.0 + 1e-9, True),
        ([1, 2], [1, 2], True),
        (1.0, 1.1, False),
        (float("nan"), float("nan"), False),
        ([1, 2], [1, 2, 3], False),
        ([1, 2], 1, False),
        ("one", 1, False),
        (None, 1, False),
        (10**400, 1, False),
    ],
)
def test_near_is_true_for_equal_shapes_and_numbers_alone(
    value: Any, expected: Any, is_near: bool
) -> None:
    assert near(value, expected) is is_near


def test_a_helper_gives_back_what_it_judged() -> None:
    assert need_function(lambda a: a + 1, "next", 2) == 3
    assert need_function(print, "print") is None
    assert need_number(np.array([3]), "three") == 3.0
    assert need_array([1, 2], "pair", (2,)).tolist() == [1, 2]
    with pytest.raises(Wrong, match="takes 1 values"):
        need_function(lambda a: a, "one", 1, 2)


def test_a_time_limit_restores_what_was_there_and_is_none_in_a_thread() -> None:
    with pytest.raises(TooLong), time_limit(0.05):
        threading.Event().wait(20)
    done = []

    def in_a_thread() -> None:
        with time_limit(20):
            done.append(True)

    thread = threading.Thread(target=in_a_thread)
    thread.start()
    thread.join()
    assert done == [True]


def test_the_test_module_has_a_check_for_each_exercise(files: Files) -> None:
    assert all(f"def {each.check}(" in CHECKS for each in files.exercises.values())
