"""Points are kept in the student's home, whole or not at all, and shown to nobody unasked."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from course_kit.progress import FOLDER, Progress, Tried, load_progress


def opened(home: Path) -> Progress:
    return load_progress("08_areas", "1.0.0", home)


def written(home: Path) -> Any:
    return json.loads((home / FOLDER / "08_areas.json").read_text(encoding="utf-8"))


def test_nothing_is_shown_before_the_student_says_so(tmp_path: Path) -> None:
    progress = opened(tmp_path)
    assert progress.consent is False
    assert progress.save()
    assert written(tmp_path)["consent"] is False


def test_what_was_done_is_there_the_next_time(tmp_path: Path) -> None:
    progress = opened(tmp_path)
    progress.exercises["area"] = Tried(True, 2, 3, 1, 2)
    progress.question("q1").right = True
    progress.question("q1").tries = 2
    progress.consent = True
    progress.save()
    again = opened(tmp_path)
    assert (again.points, again.right, again.consent) == (2, 1, True)
    assert again.exercise("area") == Tried(True, 2, 3, 1, 2)


def test_the_file_has_the_keys_that_the_hub_reads(tmp_path: Path) -> None:
    progress = opened(tmp_path)
    progress.exercise("area").tries = 1
    progress.question("q1")
    progress.save()
    content = written(tmp_path)
    assert content.pop("updated").endswith("+00:00")
    tried = {"passed": False, "points": 0, "tries": 1, "hints": 0, "of": 0}
    assert content == {
        "module": "08_areas",
        "version": "1.0.0",
        "exercises": {"area": tried},
        "quiz": {"q1": {"right": False, "tries": 0}},
        "consent": False,
    }


def test_points_of_an_older_version_stay(tmp_path: Path) -> None:
    progress = opened(tmp_path)
    progress.exercises["area"] = Tried(True, 2, 1, 0, 2)
    progress.save()
    assert load_progress("08_areas", "2.0.0", tmp_path).points == 2


def test_two_windows_of_a_page_lose_nothing_of_each_other(tmp_path: Path) -> None:
    one, two = opened(tmp_path), opened(tmp_path)
    one.exercises["area"] = Tried(True, 2, 3, 0, 2)
    one.question("q1").right, one.question("q1").tries = True, 1
    one.save()
    two.exercise("area").tries = 1
    two.exercises["level"] = Tried(True, 1, 1, 0, 1)
    two.save()
    found = opened(tmp_path)
    assert found.exercise("area") == Tried(True, 2, 3, 0, 2)
    assert (found.points, found.right) == (3, 1)


def test_a_consent_taken_back_in_one_window_is_not_given_again_by_another(tmp_path: Path) -> None:
    one = opened(tmp_path)
    one.consent = True
    one.save()
    two = opened(tmp_path)
    one.consent = False
    one.save()
    two.exercise("area").tries += 1
    two.save()
    assert written(tmp_path)["consent"] is False
    two.consent = True
    two.save()
    assert written(tmp_path)["consent"] is True


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"exercises": 1, "quiz": {}, "consent": true}', '{"consent": true}'],
)
def test_a_broken_file_counts_as_none_and_is_mended(tmp_path: Path, content: str) -> None:
    path = tmp_path / FOLDER / "08_areas.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    progress = opened(tmp_path)
    assert (progress.points, progress.consent) == (0, False)
    assert progress.save()
    assert written(tmp_path)["module"] == "08_areas"


def test_what_a_newer_kit_wrote_is_no_reason_to_forget_the_points(tmp_path: Path) -> None:
    progress = opened(tmp_path)
    progress.exercises["area"] = Tried(True, 2, 1, 0, 2)
    progress.save()
    content = written(tmp_path)
    content["exercises"]["area"]["stars"] = 5
    progress.path.write_text(json.dumps(content))
    assert opened(tmp_path).points == 2


def test_a_full_disk_keeps_the_old_file_and_says_no(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress = opened(tmp_path)
    progress.save()
    before = progress.path.read_bytes()

    def full(source: Any, target: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    progress.exercise("area").tries = 1
    assert progress.save() is False
    assert progress.path.read_bytes() == before
    assert [path.name for path in progress.path.parent.iterdir()] == ["08_areas.json"]


def test_a_home_that_takes_no_folder_says_no(tmp_path: Path) -> None:
    (tmp_path / ".radlab").write_text("a file where a folder should be")
    assert opened(tmp_path).save() is False
