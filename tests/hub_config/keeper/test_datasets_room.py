"""The folder of datasets of a group that has none yet: whole before its first session."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from hub_config.keeper.datasets_room import complete


def publish(folder: Path, name: str, version: str) -> Path:
    """A version as the archive leaves it."""
    place = folder / name / version
    (place / "P1" / "1.2").mkdir(parents=True)
    (place / "P1" / "1.2" / "001.dcm").write_bytes(b"image")
    (place / "card.json").write_text("{}")
    for inner, _, _ in os.walk(place):
        os.chmod(inner, 0o555)
    return place


@pytest.fixture
def visible(tmp_path: Path) -> Path:
    publish(tmp_path / "visible" / "everyone", "chest", "1.0.0")
    return tmp_path / "visible"


def test_a_new_group_sees_what_everyone_sees_as_the_same_files(visible: Path) -> None:
    complete(visible / "everyone", visible / "radiology")
    one, two = (
        visible / who / "chest" / "1.0.0" / "P1" / "1.2" / "001.dcm"
        for who in ("everyone", "radiology")
    )
    assert one.samefile(two)
    for folder, mode in ((two.parent, 0o555), (visible / "radiology", 0o755)):
        assert stat.S_IMODE(folder.stat().st_mode) == mode


def test_what_is_there_stays_and_what_is_missing_comes(visible: Path) -> None:
    own = publish(visible / "radiology", "secret", "1.0.0")
    complete(visible / "everyone", visible / "radiology")
    assert own.is_dir()
    assert (visible / "radiology" / "chest" / "1.0.0" / "card.json").is_file()
    assert not (visible / "everyone" / "secret").exists()


def test_a_version_that_was_withdrawn_is_so_for_the_group_too(visible: Path) -> None:
    complete(visible / "everyone", visible / "radiology")
    (visible / "everyone" / "chest" / "1.0.0" / "withdrawn.json").write_text("{}")
    complete(visible / "everyone", visible / "radiology")
    assert (visible / "radiology" / "chest" / "1.0.0" / "withdrawn.json").is_file()


def test_what_a_killed_process_left_does_not_stay(visible: Path) -> None:
    left = visible / ".new-radiology-chest@1.0.0" / "P1"
    left.mkdir(parents=True)
    complete(visible / "everyone", visible / "radiology")
    assert not left.exists()
    assert sorted(path.name for path in visible.iterdir()) == [".lock", "everyone", "radiology"]


def test_everyones_own_folder_and_a_site_without_datasets_need_nothing(tmp_path: Path) -> None:
    complete(tmp_path / "everyone", tmp_path / "radiology")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_logged_and_no_start_fails(
    visible: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (visible / "radiology").write_text("in the way")
    complete(visible / "everyone", visible / "radiology")
    assert "could not be completed" in caplog.text
