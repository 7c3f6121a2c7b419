"""What of a student's progress leaves the container: what they consented to, once, and no more."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from images_fake_hub import FakeHub
from radlab_session.heart import Heart
from radlab_session.progress import FOLDER, MOST_BYTES, MOST_FILES, Shown

from course_kit import progress as kit
from hub_config.teaching.model import reports_of


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub("127.0.0.1").answering() as answering:
        answering.ends_in(minutes=60)
        yield answering


@pytest.fixture
def heart(tmp_path: Path, hub: FakeHub) -> Heart:
    web_app = SimpleNamespace(settings={"terminal_manager": None})
    server = SimpleNamespace(kernel_manager=None, session_manager=None, web_app=web_app)
    return Heart(server, {**hub.environment, "HOME": str(tmp_path)}, root=tmp_path)


def work(home: Path, *, consent: bool, points: int = 2, module: str = "08_segmentation") -> None:
    """What the kit writes after a check and a question."""
    mine = kit.load_progress(module, "1.0.0", home)
    mine.exercise("dice").passed = True
    mine.exercise("dice").points = points
    mine.exercise("dice").tries += 1
    mine.question("leak").right = True
    mine.consent = consent
    assert mine.save()


async def test_what_the_kit_wrote_with_consent_reaches_the_hub_once(
    tmp_path: Path, hub: FakeHub, heart: Heart
) -> None:
    work(tmp_path, consent=True)
    for _ in range(3):
        await heart.show_progress()
    (told,) = hub.progress
    assert told["module"] == "08_segmentation"
    assert told["exercises"] == {"dice": {"passed": True, "points": 2, "tries": 1, "hints": 0}}
    assert told["quiz"] == {"leak": {"right": True, "tries": 0}}
    (report,) = reports_of({"progress": hub.progress})
    assert report.consent
    assert report.exercises["dice"].points == 2


async def test_a_new_result_is_told_anew(tmp_path: Path, hub: FakeHub, heart: Heart) -> None:
    work(tmp_path, consent=True)
    await heart.show_progress()
    work(tmp_path, consent=True, points=3)
    await heart.show_progress()
    assert [one["exercises"]["dice"]["points"] for one in hub.progress] == [2, 3]


async def test_without_consent_no_result_leaves_the_container(
    tmp_path: Path, hub: FakeHub, heart: Heart
) -> None:
    work(tmp_path, consent=False)
    await heart.show_progress()
    assert hub.progress == [{"module": "08_segmentation", "consent": False}]


async def test_consent_that_is_taken_back_is_told_at_once(
    tmp_path: Path, hub: FakeHub, heart: Heart
) -> None:
    work(tmp_path, consent=True)
    await heart.show_progress()
    work(tmp_path, consent=False)
    await heart.show_progress()
    assert hub.progress[1:] == [{"module": "08_segmentation", "consent": False}]


async def test_progress_that_was_deleted_is_shown_no_more(
    tmp_path: Path, hub: FakeHub, heart: Heart
) -> None:
    work(tmp_path, consent=True)
    await heart.show_progress()
    (tmp_path / FOLDER / "08_segmentation.json").unlink()
    await heart.show_progress()
    await heart.show_progress()
    assert hub.progress[1:] == [{"module": "08_segmentation", "consent": False}]


async def test_what_the_hub_refuses_for_now_is_told_again(
    tmp_path: Path, hub: FakeHub, heart: Heart
) -> None:
    work(tmp_path, consent=True)
    hub.progress_refused = True
    await heart.show_progress()
    assert hub.progress == []
    hub.progress_refused = False
    await heart.show_progress()
    assert [one["module"] for one in hub.progress] == ["08_segmentation"]


async def test_a_home_without_progress_asks_the_hub_nothing(hub: FakeHub, heart: Heart) -> None:
    await heart.show_progress()
    assert hub.asked == []


@pytest.mark.parametrize("consent", [1, "true", "false", None, [True]])
def test_only_a_plain_yes_is_consent(tmp_path: Path, consent: Any) -> None:
    written(tmp_path, "a", {"module": "03_network", "consent": consent, "exercises": {"x": {}}})
    assert Shown(tmp_path).changed() == [{"module": "03_network", "consent": False}]


def test_what_is_no_progress_is_left_where_it_is(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir(parents=True)
    os.mkfifo(folder / "pipe.json")
    (folder / "folder.json").mkdir()
    (folder / "loop.json").symlink_to("loop.json")
    (folder / "broken.json").write_text("{")
    (folder / "deep.json").write_text("[" * 20_000)
    (folder / "bytes.json").write_bytes(b"\xff\xfe\x00")
    (folder / "list.json").write_text("[1]")
    (folder / "large.json").write_text(json.dumps({"module": "x" * MOST_BYTES}))
    (folder / "other.txt").write_text("{}")
    assert Shown(tmp_path).changed() == []


def test_only_what_the_hub_knows_is_taken_from_a_file(tmp_path: Path) -> None:
    exercises = {"dice": {"passed": True, "diary": "secret"}, "odd": 5}
    written(
        tmp_path,
        "a",
        {"module": "03_network", "consent": True, "exercises": exercises, "home": "secret"},
    )
    (told,) = Shown(tmp_path).changed()
    assert told["exercises"] == {"dice": {"passed": True}}
    assert "secret" not in json.dumps(told)


def test_a_thousand_files_are_not_all_sent(tmp_path: Path) -> None:
    for number in range(MOST_FILES + 5):
        written(tmp_path, f"m{number:03}", {"module": f"m{number}", "consent": True})
    assert len(Shown(tmp_path).changed()) == MOST_FILES


def written(home: Path, name: str, facts: dict[str, Any]) -> None:
    (home / FOLDER).mkdir(parents=True, exist_ok=True)
    (home / FOLDER / f"{name}.json").write_text(json.dumps(facts))
