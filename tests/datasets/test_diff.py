"""The difference of two versions: by UID, by label, by split, by field of the card."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from versions_support import image, publish

from dicom_archive.diff import compare, compare_files
from dicom_archive.store import Store

files = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("123"))


@given(files, files)
def test_every_file_is_added_removed_changed_or_the_same(
    old: dict[str, str], new: dict[str, str]
) -> None:
    found = compare_files(old, new)
    assert {*found.added, *found.changed} <= new.keys()
    assert len(found.added) + len(found.changed) + found.same == len(new)
    assert len(found.removed) + len(found.changed) + found.same == len(old)


@given(files, files)
def test_the_other_way_round_added_is_removed(old: dict[str, str], new: dict[str, str]) -> None:
    there, back = compare_files(old, new), compare_files(new, old)
    assert (there.added, there.changed) == (back.removed, back.changed)


def test_a_version_does_not_differ_from_itself(store: Store) -> None:
    folder = publish(store).folder
    assert compare(folder, folder).empty


def test_all_that_changed_is_named(store: Store) -> None:
    older = publish(store, "1.0.0", [image("P1"), image("P2"), image("P3")])
    relabelled, changed = image("P1", kind="b"), image("P2", seed=99)
    newer = publish(store, "1.1.0", [relabelled, changed, image("P4")], licence="CC-BY-4.0")
    found = compare(older.folder, newer.folder)
    assert not found.empty
    assert found.files.added == [image("P4").uid]
    assert found.files.removed == [image("P3").uid]
    assert found.files.changed == [changed.uid]
    assert (found.patients_added, found.patients_removed) == (["P4"], ["P3"])
    assert found.labels == [(relabelled.uid, "kind", "a", "b")]
    assert found.splits == []
    assert found.card == [("licence", "CC0-1.0", "CC-BY-4.0")]


def test_the_same_images_in_another_order_are_the_same(store: Store) -> None:
    images = [image(f"P{k}") for k in range(4)]
    older, newer = publish(store, "1.0.0", images), publish(store, "1.1.0", images[::-1])
    assert compare(older.folder, newer.folder).empty
    assert older.root != newer.root  # the card says another version
