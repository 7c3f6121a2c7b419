"""Publishing: a version appears whole or not at all, and then never changes."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dicom_archive.cards import SampleCard
from dicom_archive.errors import (
    AlreadyPublished,
    ArchiveError,
    NoRoom,
    NotPublished,
    PublishingElsewhere,
)
from dicom_archive.generate import generate, sample_card
from dicom_archive.manifest import read_manifest
from dicom_archive.store import Published, Store
from dicom_catalog import Catalog

NOON, LATER = "2026-01-01T12:00:00Z", "2026-02-01T12:00:00Z"


def small(store: Store, card: SampleCard, **said: object) -> Published:
    known = {"patients": 2, "seed": 1, "processes": 1, "published": NOON}
    return generate(store, card, **{**known, **said})  # type: ignore[arg-type]


def test_published_files_may_be_read_by_all_and_written_by_none(sample: Published) -> None:
    for inner, _, names in os.walk(sample.folder):
        assert stat.S_IMODE(os.stat(inner).st_mode) == 0o555
        for name in names:
            assert stat.S_IMODE(os.stat(Path(inner, name)).st_mode) == 0o444


def test_staging_is_empty_after_publishing(sample: Published, sample_store: Store) -> None:
    assert [p.name for p in sample_store.staging.iterdir() if not p.name.startswith(".")] == []


def test_the_manifest_says_what_was_made_when_and_how(sample: Published) -> None:
    manifest = read_manifest(sample.folder)
    assert manifest["origin"]["generator"] == "chest-film"
    assert (manifest["origin"]["patients"], manifest["origin"]["seed"]) == (10, 3)
    assert manifest["published"] == NOON
    files = len(list(sample.folder.rglob("*.dcm")))
    assert manifest["images"] == sample.images == files - manifest["objects"]
    assert set(manifest["files"]) | {"manifest.json"} == {
        str(path.relative_to(sample.folder)) for path in sample.folder.rglob("*") if path.is_file()
    }


def test_generating_again_changes_nothing(store: Store, card: SampleCard) -> None:
    first = small(store, card)
    before = (first.folder / "manifest.json").read_bytes()
    second = small(store, card, published=LATER)
    assert (first.new, second.new) == (True, False)
    assert second.root == first.root
    assert (first.folder / "manifest.json").read_bytes() == before


def test_asking_without_size_and_seed_takes_what_is_there(store: Store, card: SampleCard) -> None:
    first = small(store, card)
    assert generate(store, card, published=LATER).root == first.root


def test_the_same_version_with_another_seed_is_refused(store: Store, card: SampleCard) -> None:
    small(store, card)
    with pytest.raises(AlreadyPublished, match="seed 1 instead of 2"):
        small(store, card, seed=2)
    assert Catalog(store.visible).versions("chest-film") == [card.version]


def test_the_same_seed_gives_the_same_root_hash_with_any_number_of_processes(
    store: Store, card: SampleCard, tmp_path: Path
) -> None:
    other = Store(tmp_path / "other")
    one, two = small(store, card), small(other, card, processes=2, published=LATER)
    assert one.root == two.root
    names = [str(path.relative_to(one.folder)) for path in sorted(one.folder.rglob("*.dcm"))]
    assert names == [
        str(path.relative_to(two.folder)) for path in sorted(two.folder.rglob("*.dcm"))
    ]
    assert all((one.folder / n).read_bytes() == (two.folder / n).read_bytes() for n in names)


def test_progress_counts_to_the_end(store: Store, card: SampleCard) -> None:
    steps: list[tuple[int, int]] = []
    result = small(store, card, progress=lambda done, total: steps.append((done, total)))
    assert steps == [(k + 1, result.images) for k in range(result.images)]


def test_the_newest_version_is_found_by_number_not_by_text(store: Store, card: SampleCard) -> None:
    for version in ("1.0.0", "1.10.0", "1.9.0"):
        small(store, card, version=version)
    assert store.versions("chest-film") == ["1.0.0", "1.9.0", "1.10.0"]
    assert store.find("chest-film").name == "1.10.0"
    assert store.find("chest-film@1.9.0").name == "1.9.0"
    with pytest.raises(NotPublished, match=r"no version 2\.0\.0"):
        store.find("chest-film@2.0.0")


def test_what_a_killed_process_left_is_removed_by_the_next(store: Store, card: SampleCard) -> None:
    left = store.staging / f"chest-film@{card.version}" / "SYN0001"
    left.mkdir(parents=True)
    (left / "001.dcm").write_bytes(b"half")
    assert small(store, card).new
    assert not left.exists()


def test_two_processes_do_not_publish_one_dataset_at_once(store: Store, card: SampleCard) -> None:
    with store.staged("chest-film", "2.0.0"), pytest.raises(PublishingElsewhere, match="Wait"):
        small(store, card)
    assert small(store, card).new


def test_an_error_on_the_way_leaves_nothing(store: Store, card: SampleCard) -> None:
    def stop(done: int, total: int) -> None:
        raise RuntimeError("the light went out")

    with pytest.raises(RuntimeError):
        small(store, card, progress=stop)
    assert not store.folder("chest-film", card.version).exists()
    assert list(store.staging.glob("chest-film@*")) == []


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(place)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("a disk of 300 kB needs the right to mount one")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_fills_leaves_no_half_version(tiny_disk: Path, card: SampleCard) -> None:
    store = Store(tiny_disk)
    modest = card.model_copy(update={"budgets": card.budgets.model_copy(update={"megabytes": 1})})
    with pytest.raises(NoRoom, match="is full; nothing was published"):
        small(store, modest, patients=4)
    assert not store.folder("chest-film", card.version).exists()
    assert list(store.staging.glob("chest-film@*")) == []


def test_a_disk_with_too_little_room_is_refused_before_any_work(
    store: Store, card: SampleCard
) -> None:
    vast = card.model_copy(update={"budgets": card.budgets.model_copy(update={"megabytes": 10**9})})
    steps: list[int] = []
    with pytest.raises(NoRoom):
        small(store, vast, progress=lambda done, total: steps.append(done))
    assert steps == []


def test_a_film_costs_no_more_than_the_card_promises(sample: Published, card: SampleCard) -> None:
    files = read_manifest(sample.folder)["files"].values()
    a_patient = sum(file["bytes"] for file in files) / sample.patients
    assert a_patient * card.generate.patients < card.budgets.megabytes * 1e6


@pytest.mark.parametrize("name", ["", "Chest", "a b", "../up", "-a", "a" * 49])
def test_an_impossible_name_is_refused(store: Store, name: str) -> None:
    with pytest.raises(ArchiveError, match="cannot be a dataset's name"):
        store.folder(name, "1.0.0")


@pytest.mark.parametrize("version", ["", "1", "1.0", "1.0.0-rc", "v1.0.0"])
def test_an_impossible_version_is_refused(store: Store, version: str) -> None:
    with pytest.raises(ArchiveError, match="cannot be a version"):
        store.folder("mine", version)


def test_a_sample_set_that_does_not_exist_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(NotPublished, match="Did you mean 'chest-film'"):
        sample_card(tmp_path, "chest-flim")
