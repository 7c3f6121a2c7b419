"""Where a cache may lie, and how much of disk and memory it may take."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicom_catalog import room
from dicom_catalog.room import find_place, free_for_caches, is_in_memory, memory_limit, place_for


def test_the_container_is_asked_for_its_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = (tmp_path / "max", tmp_path / "limit")
    monkeypatch.setattr(room, "_GROUP_FILES", files)
    machine = memory_limit()
    files[0].write_text("max\n")
    files[1].write_text("9223372036854771712\n")
    assert memory_limit() == machine
    files[1].write_text(f"{1 << 30}\n")
    assert memory_limit() == 1 << 30
    files[0].write_text(f"{1 << 29}\n")
    assert memory_limit() == 1 << 29


def test_a_folder_in_memory_is_told_from_one_on_a_disk(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    mounts.write_text(f"overlay / overlay rw 0 0\ntmpfs {tmp_path / 'a'} tmpfs rw 0 0\n")
    assert is_in_memory(deep, mounts) and not is_in_memory(tmp_path, mounts)
    mounts.write_text(mounts.read_text() + f"/dev/vdb {deep} ext4 rw 0 0\n")
    assert not is_in_memory(deep, mounts)


def test_a_cache_in_memory_takes_a_quarter_of_it_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "memory_limit", lambda: 1000)
    monkeypatch.setattr(room, "is_in_memory", lambda folder: True)
    found = place_for(tmp_path)
    assert found is not None and found.in_memory and found.room == 250


def test_what_is_kept_free_is_not_given_to_caches(tmp_path: Path) -> None:
    found = place_for(tmp_path / "new")
    assert found is not None and found.folder.is_dir() and not found.in_memory
    assert 0 < found.room <= free_for_caches(tmp_path) + 4096


def test_the_folder_that_is_named_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RADLAB_CACHE", str(tmp_path / "set"))
    for wanted, folder in ((None, "set"), (tmp_path / "given", "given")):
        found = find_place(wanted)
        assert found is not None and found.folder == tmp_path / folder


def test_the_home_is_used_and_a_full_one_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RADLAB_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = find_place()
    assert found is not None and found.folder == tmp_path / "cache" / "dicom_catalog"
    monkeypatch.setattr(room, "free_for_caches", lambda folder: 0 if "cache" in str(folder) else 9)
    found = find_place()
    assert found is None or found.folder == Path("/tmp/dicom_catalog")


def test_a_folder_that_cannot_be_made_is_no_place(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert place_for(tmp_path / "file" / "cache") is None
