"""Who sees a version: everyone, some groups, nobody yet, nobody any more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from versions_support import NOON, image, publish

from dicom_archive.errors import BadName, NotPublished, VersionWithdrawn
from dicom_archive.store import Store
from dicom_catalog import Catalog
from dicom_catalog.errors import Withdrawn


def seen(store: Store, group: str) -> list[str]:
    """Names and versions in a group's folder, as its containers see them."""
    folder = store.groups.root / group
    return sorted("@".join(path.parts[-2:]) for path in folder.glob("*/*"))


def test_a_version_for_everyone_is_in_every_groups_folder(store: Store) -> None:
    publish(store, "1.0.0", to=("radiology",))
    publish(store, "1.1.0")
    assert seen(store, "everyone") == ["mine@1.1.0"]
    assert seen(store, "radiology") == ["mine@1.0.0", "mine@1.1.0"]
    assert store.seen_by("mine", "1.1.0") == ["everyone", "radiology"]


def test_a_groups_new_folder_begins_with_what_everyone_sees(store: Store) -> None:
    publish(store, "1.0.0")
    publish(store, "2.0.0", to=("radiology", "surgery"))
    assert seen(store, "surgery") == ["mine@1.0.0", "mine@2.0.0"]
    assert seen(store, "everyone") == ["mine@1.0.0"]
    assert len(Catalog(store.groups.root / "surgery")["mine@2.0.0"]) == 6


def test_what_groups_see_are_the_same_files(store: Store) -> None:
    done = publish(store, to=("radiology", "everyone"))
    for group in ("radiology", "everyone"):
        folder = store.groups.root / group / "mine" / "1.0.0"
        for path in done.folder.rglob("*"):
            if path.is_file():
                assert path.samefile(folder / path.relative_to(done.folder))


def test_a_draft_is_seen_by_nobody_until_it_is_shown(store: Store) -> None:
    publish(store, to=())
    assert (store.seen_by("mine", "1.0.0"), store.versions("mine")) == ([], ["1.0.0"])
    assert store.show("mine", "1.0.0").new
    assert not store.show("mine", "1.0.0").new
    assert len(Catalog(store.visible)["mine"]) == 6


def test_a_draft_may_be_shown_to_one_group_then_to_all(store: Store) -> None:
    publish(store, to=())
    store.show("mine", "1.0.0", ("radiology",))
    assert store.seen_by("mine", "1.0.0") == ["radiology"]
    store.show("mine", "1.0.0")
    assert store.seen_by("mine", "1.0.0") == ["everyone", "radiology"]


def test_publishing_the_same_again_shows_it_to_more(store: Store) -> None:
    publish(store, to=())
    assert not publish(store, to=("radiology",)).new
    assert store.seen_by("mine", "1.0.0") == ["radiology"]


@pytest.mark.parametrize("group", ["", "..", "../up", ".hidden", "A B"])
def test_an_impossible_group_gets_no_folder(store: Store, group: str) -> None:
    with pytest.raises(BadName, match="group list"):
        publish(store, to=(group,))
    assert store.groups.groups() == []
    with pytest.raises(NotPublished):
        store.versions("mine")


def test_a_withdrawn_version_stays_named_and_is_refused_with_the_reason(store: Store) -> None:
    publish(store, "1.0.0")
    publish(store, "1.1.0", [image(f"P{k}") for k in range(3)])
    store.withdraw("mine", "1.0.0", "Two patients were swapped", NOON, "mine@1.1.0")
    folder = store.visible / "mine" / "1.0.0"
    assert {path.name for path in folder.iterdir()} == {"card.json", "withdrawn.json"}
    said = json.loads((folder / "withdrawn.json").read_text())
    assert said == {
        "reason": "Two patients were swapped",
        "when": NOON,
        "instead": "mine@1.1.0",
    }
    with pytest.raises(Withdrawn, match="Two patients were swapped"):
        Catalog(store.visible)["mine@1.0.0"]
    assert Catalog(store.visible)["mine"].version == "1.1.0"


def test_a_withdrawn_version_keeps_its_files_in_the_archive(store: Store) -> None:
    publish(store, "1.0.0")
    store.withdraw("mine", "1.0.0", "wrong", NOON)
    assert store.damage("mine", "1.0.0") == []
    assert store.versions("mine") == ["1.0.0"]


def test_a_version_is_withdrawn_from_every_group(store: Store) -> None:
    publish(store, to=("radiology", "everyone"))
    store.withdraw("mine", "1.0.0", "wrong", NOON)
    for group in ("radiology", "everyone"):
        assert (store.groups.root / group / "mine" / "1.0.0" / "withdrawn.json").is_file()
        assert not list((store.groups.root / group).rglob("*.dcm"))
    publish(store, "1.1.0", to=("surgery",))  # whose folder is new
    with pytest.raises(Withdrawn):
        Catalog(store.groups.root / "surgery")["mine@1.0.0"]


def test_what_was_withdrawn_is_neither_published_nor_shown_again(store: Store) -> None:
    publish(store)
    store.withdraw("mine", "1.0.0", "wrong", NOON)
    with pytest.raises(VersionWithdrawn, match=r"wrong\. A version .* next one is 1\.1\.0"):
        publish(store)
    with pytest.raises(VersionWithdrawn):
        store.show("mine", "1.0.0", ("radiology",))


def test_withdrawing_twice_keeps_the_first_reason_and_finishes_what_was_cut_off(
    store: Store,
) -> None:
    publish(store)
    first = store.withdraw("mine", "1.0.0", "wrong", NOON)
    folder = store.visible / "mine" / "1.0.0"
    folder.chmod(0o755)
    (folder / "index.sqlite").write_bytes(b"left by a process that was killed")
    assert store.withdraw("mine", "1.0.0", "another", NOON) == first
    assert not (folder / "index.sqlite").exists()


def test_what_to_use_instead_must_be_there_and_good(store: Store) -> None:
    publish(store, "1.0.0")
    with pytest.raises(NotPublished):
        store.withdraw("mine", "1.0.0", "wrong", NOON, "mine@9.0.0")
    publish(store, "1.1.0", [image("P1")])
    store.withdraw("mine", "1.1.0", "worse", NOON)
    with pytest.raises(VersionWithdrawn):
        store.withdraw("mine", "1.0.0", "wrong", NOON, "mine@1.1.0")
    assert store.withdrawn("mine", "1.0.0") is None


def test_the_newest_that_was_not_withdrawn_is_found(store: Store) -> None:
    publish(store, "1.0.0")
    publish(store, "1.1.0", [image("P1")])
    store.withdraw("mine", "1.1.0", "wrong", NOON)
    assert store.find("mine").name == "1.0.0"


def test_what_a_group_sees_otherwise_is_found_and_named(store: Store) -> None:
    done = publish(store)
    folder = store.visible / "mine" / "1.0.0"
    first, second = sorted(path.relative_to(done.folder) for path in done.folder.rglob("*.dcm"))[:2]
    for name in (first, second):
        (folder / name).parent.chmod(0o755)
        (folder / name).unlink()
    (folder / second).write_bytes((done.folder / second).read_bytes())
    (folder / first).parent.joinpath("extra.txt").write_text("hello")
    damage = "\n".join(store.damage("mine", "1.0.0"))
    assert f"{first} is missing in what everyone sees" in damage
    assert f"{second} is another file in what everyone sees" in damage
    assert "extra.txt is seen by everyone and was not published" in damage


def test_versions_of_before_that_only_a_group_sees_are_kept(store: Store, tmp_path: Path) -> None:
    made = publish(Store(tmp_path / "old"))
    place = store.groups.root / "radiology" / "mine"
    place.mkdir(parents=True)
    made.folder.rename(place / "1.0.0")
    publish(store, "1.1.0", [image("P9")])
    assert store.versions("mine") == ["1.0.0", "1.1.0"]
    assert store.damage("mine", "1.0.0") == []
