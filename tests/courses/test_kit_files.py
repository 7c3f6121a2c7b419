"""A module's files are found where they lie, and refused with the entry that is wrong."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for kit_module.py

from kit_module import FACTS, ID, QUIZ, choice, claim, exercise, number, write_module

from course_kit.errors import BrokenFile, NoModule
from course_kit.files import Claim, find_folder, read_files


def facts(version: str) -> dict[str, Any]:
    return FACTS | {"version": version}


def test_the_newest_version_that_is_mounted_serves_a_notebook_without_one(tmp_path: Path) -> None:
    for version in ("1.2.0", "1.10.0"):
        write_module(tmp_path / "modules" / ID / version, facts=facts(version))
    assert find_folder(ID, tmp_path, tmp_path / "modules").name == "1.10.0"


def test_a_notebook_keeps_to_the_version_in_its_own_folder(tmp_path: Path) -> None:
    for version in ("1.2.0", "1.10.0"):
        write_module(tmp_path / "modules" / ID / version, facts=facts(version))
    own = write_module(tmp_path / "home", facts=facts("1.2.0"))
    assert find_folder(ID, own, tmp_path / "modules").name == "1.2.0"


def test_a_version_that_is_no_longer_mounted_is_served_by_the_notebooks_own_folder(
    tmp_path: Path,
) -> None:
    write_module(tmp_path / "modules" / ID / "1.10.0", facts=facts("1.10.0"))
    own = write_module(tmp_path / "home", facts=facts("1.2.0"))
    assert find_folder(ID, own, tmp_path / "modules") == own


def test_a_copy_beside_another_modules_notebook_serves_the_one_that_is_asked_for(
    tmp_path: Path,
) -> None:
    write_module(tmp_path / "modules" / ID / "1.2.0")
    other = write_module(tmp_path / "home", facts=FACTS | {"id": "09_other", "version": "3.0.0"})
    assert find_folder(ID, other, tmp_path / "modules").parent.name == ID


def test_the_environment_names_another_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RADLAB_MODULES", str(tmp_path / "elsewhere"))
    write_module(tmp_path / "elsewhere" / ID / "1.2.0")
    assert find_folder(ID, tmp_path).name == "1.2.0"


def test_a_module_that_is_nowhere_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(NoModule, match=f"'{ID}' are neither in .*launch page"):
        find_folder(ID, tmp_path, tmp_path / "modules")


def test_a_whole_module_is_read(tmp_path: Path) -> None:
    files = read_files(write_module(tmp_path))
    assert (files.id, files.version) == (ID, "1.2.0")
    assert list(files.exercises) == ["area", "level", "table", "word"]
    assert len(files.exercises["area"].hints) == 3
    assert [question.number is None for question in files.questions.values()][-2:] == [True, False]
    assert files.claims["lead"].limit == "≥ 0.2"


def without(entry: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name != key}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"exercises": [without(exercise("area"), "check")]}, "area: the key 'check' is missing"),
        ({"exercises": [exercise("area", level=2)]}, "area: there is no key 'level'"),
        ({"exercises": [exercise("area", hints=[])]}, "area: 0 hints, where 3 are wanted"),
        ({"exercises": [exercise("area", title="Area")]}, "area: title: a text is written as"),
        ({"exercises": [exercise("area")] * 2}, "'area' stands there twice"),
        ({"exercises": {"area": 1}}, "must be a list of entries"),
        ({"exercises": ["area"]}, "must be a list of entries"),
        ({"quiz": [without(choice("q1"), "options")]}, "q1: it has either `options` or a `number`"),
        ({"quiz": [number("q1") | choice("q1")]}, "q1: it has either `options` or a `number`"),
        ({"quiz": [choice("q1", options=choice("q1")["options"][1:])]}, "exactly one option"),
        ({"quiz": [choice("q1", ask={"zh_CN": "几个？"})]}, "q1: ask: a text is written as"),
        ({"claims": {"claims": [claim("lead", "over")]}}, "lead: `relation` is one of"),
        ({"claims": {"claims": [claim("lead", "between", 1)]}}, "take a list of two numbers"),
        ({"claims": {"claims": [claim("lead", ">=", [1, 2])]}}, "take a list of two numbers"),
        ({"claims": [claim("lead")]}, "two lists, `claims` and `facts`"),
    ],
)
def test_a_file_that_cannot_be_is_refused_with_its_entry(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(BrokenFile, match=says):
        read_files(write_module(tmp_path, **changes))


def test_a_file_that_is_no_yaml_is_named(tmp_path: Path) -> None:
    folder = write_module(tmp_path)
    (folder / "quiz.yaml").write_text("- id: [unclosed")
    with pytest.raises(BrokenFile, match=r"quiz\.yaml cannot be read"):
        read_files(folder)
    (folder / "quiz.yaml").unlink()
    (folder / "module.json").write_text("{")
    with pytest.raises(BrokenFile, match=r"module\.json cannot be read"):
        read_files(folder)


def test_a_module_without_a_quiz_can_be_opened(tmp_path: Path) -> None:
    folder = write_module(tmp_path, quiz=QUIZ)
    (folder / "quiz.yaml").unlink()
    (folder / "claims.yaml").unlink()
    files = read_files(folder)
    assert not files.questions
    assert not files.claims


@pytest.mark.parametrize(
    ("relation", "bound", "inside", "outside", "limit"),
    [
        (">=", 0.2, 0.2, 0.19, "≥ 0.2"),
        ("<=", 0.2, 0.2, 0.21, "≤ 0.2"),
        (">", 0.2, 0.21, 0.2, "> 0.2"),
        ("<", 0.2, 0.19, 0.2, "< 0.2"),
        ("==", 4.0, 4.0, 4.1, "= 4"),
        ("between", (0.2, 0.4), 0.3, 0.5, "0.2 … 0.4"),
        ("about", (0.5, 0.25), 0.75, 0.8, "0.5 ± 0.25"),
    ],
)
def test_a_claim_holds_within_its_bound_and_never_for_nan(
    relation: str, bound: Any, inside: float, outside: float, limit: str
) -> None:
    stated = Claim("lead", "judge", "", {"en": "it leads"}, relation, bound, ("ci",))
    assert stated.holds(inside)
    assert not stated.holds(outside)
    assert not stated.holds(math.nan)
    assert stated.limit == limit
