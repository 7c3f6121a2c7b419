"""Versions of one dataset: shared files, kept splits, a journal to go on from, what conflicts."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from versions_support import NOON, card, image, publish

from dicom_archive.diff import compare, splits_of
from dicom_archive.errors import AlreadyPublished, BadImage, SplitLeak, UidConflict
from dicom_archive.manifest import MANIFEST_NAME, find_damage, read_manifest, read_table
from dicom_archive.objects import file_hash
from dicom_archive.store import Store
from dicom_catalog import Catalog
from dicom_catalog.annotations import Box, LabelMap, Segment


def test_two_versions_share_the_files_that_they_have_in_common(store: Store) -> None:
    one = publish(store, "1.0.0", [image("P1"), image("P2")])
    two = publish(store, "1.1.0", [image("P1"), image("P2"), image("P3")])
    for path in one.folder.rglob("*.dcm"):
        assert path.samefile(two.folder / path.relative_to(one.folder))
    names = [path.name for path in store.objects.root.rglob("*") if path.is_file()]
    assert len(names) == len(set(names))
    assert sum(file_hash(p) == p.name for p in store.objects.root.glob("*/*")) == len(names)


def test_the_manifest_names_the_parent_and_how_it_differs(store: Store) -> None:
    first = publish(store, "1.0.0", [image("P1"), image("P2"), image("P3")])
    changed = image("P2", seed=99)
    second = publish(store, "1.1.0", [image("P1"), changed, image("P4")])
    assert read_manifest(first.folder)["parent"] is None
    found = read_manifest(second.folder)
    assert found["parent"] == {"version": "1.0.0", "root": first.root}
    assert found["difference"] == {
        "added": [image("P4").uid],
        "removed": [image("P3").uid],
        "changed": [changed.uid],
        "same": 1,
    }


def test_the_manifest_counts_labels_splits_and_names_the_licence(store: Store) -> None:
    found = read_manifest(publish(store).folder)
    assert found["labels"] == {"kind": {"a": 3, "b": 3}, "number": {"1": 6}}
    assert sum(found["splits"]["images"].values()) == found["images"] == 6
    assert found["splits"]["seed"] == 1
    assert found["licence"] == "CC0-1.0"
    assert found["made_with"]["pydicom"]
    uids = {one["uid"] for one in found["files"].values() if "uid" in one}
    assert uids == {row["instance_uid"] for row in read_table(publish(store).folder)}


def test_a_patient_of_an_earlier_version_keeps_the_split(store: Store) -> None:
    few = [image(f"P{k}") for k in range(4)]
    before = splits_of(publish(store, "1.0.0", few).folder)
    many = [image(f"P{k}") for k in range(12)]
    after = splits_of(publish(store, "1.1.0", many).folder)
    assert {who: after[who] for who in before} == before
    assert read_manifest(store.find("mine@1.1.0"))["splits"]["kept"] == 4


def test_patients_who_share_an_image_are_put_into_one_split(store: Store) -> None:
    images = [image(f"P{k}", seed=7 if k in (0, 5, 9) else None) for k in range(10)]
    done = publish(store, "1.0.0", images)
    splits = splits_of(done.folder)
    assert len({splits[who] for who in ("P0", "P5", "P9")}) == 1
    assert read_manifest(done.folder)["splits"]["joined"] == [["P0", "P5", "P9"]]


def test_patients_who_turn_out_to_share_an_image_after_they_were_split_are_a_leak(
    store: Store,
) -> None:
    splits = splits_of(publish(store, "1.0.0", [image(f"P{k}") for k in range(6)]).folder)
    one = next(who for who in splits if splits[who] == "train")
    other = next(who for who in splits if splits[who] == "test")
    images = [image(who, 2, seed=7) for who in (one, other)]
    with pytest.raises(SplitLeak, match="bit for bit"):
        publish(store, "1.1.0", images)
    assert store.versions("mine") == ["1.0.0"]


def test_an_empty_image_joins_nobody(store: Store) -> None:
    images = []
    for who in ("P1", "P2", "P3"):
        one = image(who)
        begin = one.row["pixel_offset"]
        one.data = one.data[:begin] + bytes(one.row["pixel_length"])
        images.append(one)
    assert read_manifest(publish(store, images=images).folder)["splits"]["joined"] == []


def test_the_same_uid_with_other_bytes_is_a_conflict_and_with_the_same_a_copy(
    store: Store,
) -> None:
    with store.staged("mine", "1.0.0") as staged:
        assert staged.add(image("P1"), "first")
        assert not staged.add(image("P1"), "copy")
        assert staged.has("copy")
        with pytest.raises(UidConflict, match="other bytes"):
            staged.add(image("P1", seed=5), "other")
        assert len(staged) == 1


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (True, 1),
        (np.bool_(False), 0),
        (float("nan"), None),
        (np.int64(7), 7),
        (2**63 - 1, 2**63 - 1),
        (2**63, str(2**63)),
        (-(10**30), str(-(10**30))),
        (0.1, 0.1),
        (float("-inf"), float("-inf")),
    ],
)
def test_labels_that_sqlite_would_change_are_changed_before_they_are_hashed(
    store: Store, given: object, kept: object
) -> None:
    images = [image(f"P{k}", kind="ab"[k % 2]) for k in range(6)]
    images[0].labels["given"] = given
    made = publish(store, images=images)
    assert find_damage(made.folder) == []
    (row,) = (r for r in read_table(made.folder) if r["instance_uid"] == images[0].uid)
    assert row["labels"]["given"] == kept
    assert type(row["labels"]["given"]) is type(kept)


def test_a_series_of_two_patients_is_a_conflict(store: Store) -> None:
    stranger = image("P2")
    stranger.row["series_uid"] = image("P1").row["series_uid"]
    with store.staged("mine", "1.0.0") as staged:
        staged.add(image("P1"))
        with pytest.raises(UidConflict, match="that of the patient 'P1'"):
            staged.add(stranger)


def test_an_interrupted_command_goes_on_from_its_journal(store: Store) -> None:
    def stop(number: int) -> None:
        if number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish(store, resume="folder-1", step=stop)
    with store.staged("mine", "1.0.0", "folder-1") as staged:
        assert len(staged) == 4
        assert (staged.modalities, staged.values("kind")) == ({"OT"}, {"a", "b"})
        assert [staged.has(f"{image(f'P{k}').uid}.dcm") for k in range(6)] == [True] * 4 + [
            False
        ] * 2


def test_a_resumed_version_is_the_one_that_was_never_interrupted(
    store: Store, tmp_path: Path
) -> None:
    def stop(number: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish(store, resume="a", step=stop)
    resumed, straight = publish(store, resume="a"), publish(Store(tmp_path / "other"))
    assert resumed.root == straight.root
    assert not list(store.staging.glob("mine@*"))


@pytest.mark.parametrize("key", [None, "another folder"])
def test_a_journal_of_another_key_is_not_gone_on_from(store: Store, key: str | None) -> None:
    def stop(number: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish(store, resume="a", step=stop)
    with store.staged("mine", "1.0.0", key) as staged:
        assert len(staged) == 0
    assert publish(store).images == 6


def test_a_file_that_is_not_as_its_journal_says_is_taken_anew(store: Store) -> None:
    def stop(number: int) -> None:
        if number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish(store, resume="a", step=stop)
    cut, *_ = sorted((store.staging / "mine@1.0.0").rglob("*.dcm"))
    cut.chmod(0o644)
    cut.write_bytes(cut.read_bytes()[:-1])
    (cut.parent / "099.dcm").write_bytes(b"written, not noted")
    with (store.staging / "mine@1.0.0" / "journal").open("ab") as journal:
        journal.write(b"\x80\x04")  # a record that was cut off
    with store.staged("mine", "1.0.0", "a") as staged:
        assert len(staged) == 2
    assert store.damage("mine", publish(store, resume="a").version) == []


def test_what_is_marked_is_kept_as_objects_and_counted(store: Store) -> None:
    one = image("P1")
    values = np.zeros((1, 12, 10), np.uint8)
    values[0, 2:5, 3:6] = 1
    with store.staged("mine", "1.0.0") as staged:
        staged.add(one)
        staged.add(image("P2"))
        staged.annotate(
            LabelMap(((one.uid, 0),), values, (Segment(1, "spot"),)),
            [Box(one.uid, "spot", 3, 2, 6, 5)],
        )
        with pytest.raises(BadImage, match="not added"):
            staged.annotate(None, [Box("2.25.9", "spot", 0, 0, 1, 1)])
        assert staged.structures == {"spot"}
        done = staged.publish(card(), {}, NOON, 1)
    found = read_manifest(done.folder)
    assert (found["images"], found["objects"]) == (2, 2)
    assert found["structures"] == {"segments": {"spot": 1}, "boxes": {"spot": 1}}
    assert store.damage("mine", "1.0.0") == []
    masks = Catalog(store.visible)["mine"].one_series(one.row["series_uid"]).masks()
    assert np.array_equal(masks["spot"][0], values[0] > 0)


def test_a_version_with_other_images_is_refused(store: Store) -> None:
    publish(store)
    with pytest.raises(AlreadyPublished, match=r"--version 1\.1\.0"):
        publish(store, images=[image("P1")])


def test_a_version_of_before_is_kept_compared_and_shared(store: Store, tmp_path: Path) -> None:
    """The first releases had versions only where everyone sees them, and plainer manifests."""
    made = publish(Store(tmp_path / "old"))
    folder = store.visible / "mine" / "1.0.0"
    shutil.copytree(made.folder, folder)
    manifest = read_manifest(folder)
    for one in manifest["files"].values():
        one.pop("uid", None)
    manifest.pop("format")
    (folder / MANIFEST_NAME).chmod(0o644)
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest))
    assert (store.versions("mine"), store.find("mine")) == (["1.0.0"], folder)
    assert store.damage("mine", "1.0.0") == []
    newer = publish(store, "1.1.0", [image(f"P{k}", kind="ab"[k % 2]) for k in range(7)])
    kept = store.all_versions / "mine" / "1.0.0"
    assert store.find("mine@1.0.0") == kept
    assert (kept / MANIFEST_NAME).samefile(folder / MANIFEST_NAME)
    assert read_manifest(newer.folder)["difference"]["same"] == 6
    assert compare(kept, newer.folder).patients_added == ["P6"]


def test_the_root_hash_is_made_again_by_verify(store: Store) -> None:
    done = publish(store)
    path = done.folder / MANIFEST_NAME
    path.chmod(0o644)
    path.write_text(path.read_text().replace(done.root, "0" * 64))
    (damage,) = store.damage("mine", "1.0.0")
    assert "another root hash" in damage


def test_a_label_that_was_changed_in_the_index_alone_is_found(store: Store) -> None:
    index = publish(store).folder / "index.sqlite"
    index.chmod(0o644)
    with sqlite3.connect(index) as connection:
        connection.execute("UPDATE labels SET kind = 'b'")
    connection.close()
    assert any("index.sqlite" in one for one in store.damage("mine", "1.0.0"))


def test_a_damaged_object_is_not_given_to_the_next_version(store: Store) -> None:
    path = next(publish(store).folder.rglob("*.dcm"))
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    publish(store, "1.1.0")
    assert any(path.name in one for one in store.damage("mine", "1.0.0"))
    assert store.damage("mine", "1.1.0") == []
