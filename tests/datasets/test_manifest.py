"""Manifests: one changed byte is found, and one root hash stands for images, card and labels."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_archive.errors import Damaged
from dicom_archive.manifest import MANIFEST_NAME, find_damage, read_manifest, root_hash
from dicom_archive.store import Published
from dicom_catalog.layout import INDEX_NAME

hashes = st.text("0123456789abcdef", min_size=64, max_size=64)
files = st.dictionaries(st.text("abc/", min_size=1, max_size=6), hashes, min_size=1, max_size=6)
tables = st.lists(st.fixed_dictionaries({"uid": st.text(max_size=4), "split": st.text(max_size=3)}))


@pytest.fixture
def copy(sample: Published, tmp_path: Path) -> Path:
    folder = tmp_path / "copy"
    shutil.copytree(sample.folder, folder)
    for inner, _, names in os.walk(folder):
        os.chmod(inner, 0o755)
        for name in names:
            os.chmod(Path(inner, name), 0o644)
    return folder


@given(files, tables)
def test_the_root_hash_does_not_depend_on_the_order_of_files(
    known: dict[str, str], table: list[dict[str, Any]]
) -> None:
    assert root_hash(known, table) == root_hash(dict(reversed(known.items())), table)


@given(files, tables, hashes, st.data())
def test_the_root_hash_changes_with_any_file(
    known: dict[str, str], table: list[dict[str, Any]], other: str, data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(sorted(known)))
    if known[path] != other:
        assert root_hash({**known, path: other}, table) != root_hash(known, table)


@given(files, tables, hashes)
def test_the_root_hash_leaves_out_the_bytes_of_the_index(
    known: dict[str, str], table: list[dict[str, Any]], other: str
) -> None:
    assert root_hash({**known, INDEX_NAME: other}, table) == root_hash(known, table)


def test_a_version_as_published_has_no_damage(sample: Published) -> None:
    steps: list[tuple[int, int]] = []
    assert find_damage(sample.folder, lambda done, total: steps.append((done, total))) == []
    assert steps[-1][0] == steps[-1][1] == len(read_manifest(sample.folder)["files"])


@pytest.mark.parametrize("name", [INDEX_NAME, "card.json", "image"])
def test_a_flipped_bit_is_found_and_its_file_named(copy: Path, name: str) -> None:
    path = next(copy.rglob("*.dcm")) if name == "image" else copy / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    (damage,) = find_damage(copy)
    assert str(path.relative_to(copy)) in damage
    assert "other bytes" in damage


def test_missing_shortened_and_added_files_are_each_named(copy: Path) -> None:
    first, second = sorted(copy.rglob("*.dcm"))[:2]
    first.unlink()
    second.write_bytes(second.read_bytes()[:-2])
    (copy / "extra.txt").write_text("hello")
    damage = "\n".join(find_damage(copy))
    assert f"{first.relative_to(copy)} is missing" in damage
    assert f"{second.relative_to(copy)} has" in damage
    assert "extra.txt was not published" in damage


def test_a_folder_without_a_manifest_is_refused(copy: Path) -> None:
    (copy / MANIFEST_NAME).write_text(json.dumps([]))
    with pytest.raises(Damaged, match="is no manifest"):
        find_damage(copy)
