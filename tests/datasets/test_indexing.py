"""The index as it is written: every table of the layout, read again by plain SQL."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_headers import by_uid, cine, slices

from dicom_archive import derived
from dicom_archive.derived import Derived
from dicom_archive.indexing import SERIES_NAME, write_index
from dicom_archive.instance import Instance, instance_from_dataset
from dicom_catalog.annotations import Box, LabelMap, Segment
from dicom_catalog.layout import INDEX_NAME, LAYOUT, TABLES

SPLITS: Mapping[str, str] = {"P1": "train"}


def staged() -> tuple[list[Instance], list[Derived]]:
    headers = slices([(0.0, 0.0, 2.0 * k) for k in range(4)])
    film = cine(frames=3)
    film.SeriesInstanceUID += ".7"
    instances = [instance_from_dataset(one) for one in (*headers, film)]
    for k, one in enumerate(instances):
        one.labels = {"finding": "yes", "k": k, 'odd "name"': "x"}
        one.row.update(path=f"P1/{k}.dcm", sha256=f"{k:064d}")
    first = next(iter(by_uid(headers)))
    label_map = LabelMap(((first, 0),), np.ones((1, 6, 8), np.uint8), (Segment(1, "all"),))
    written = derived.write([label_map], [Box(first, "a", 0.1, 1, 2, 3)], by_uid(headers), {})
    for k, each in enumerate(written):
        each.row.update(path=f"P1/d{k}.dcm", sha256="0" * 64)
    return instances, written


def rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / INDEX_NAME)) as connection:
        return connection.execute(query).fetchall()


def write(folder: Path) -> None:
    folder.mkdir()
    write_index(folder, *staged(), SPLITS, ["k", "finding", 'odd "name"'])


def test_every_table_of_the_layout_is_filled(tmp_path: Path) -> None:
    write(tmp_path / "a")
    counts = {
        table: rows(tmp_path / "a", f'SELECT count(*) FROM "{table}"')[0][0] for table in TABLES
    }
    assert counts == {
        "studies": 1,
        "series": 2,
        "images": 5,
        "frames": 7,
        "objects": 2,
        "segments": 1,
        "masks": 1,
        "boxes": 1,
    }
    assert rows(tmp_path / "a", "PRAGMA user_version") == [(LAYOUT,)]


def test_frames_stand_in_their_place_and_images_in_the_order_given(tmp_path: Path) -> None:
    write(tmp_path / "a")
    found = rows(
        tmp_path / "a",
        "SELECT place, position FROM frames JOIN series USING (series_uid) "
        "WHERE kind = 'volume' ORDER BY place",
    )
    assert [(place, json.loads(position)[2]) for place, position in found] == [
        (0, 0),
        (1, 2),
        (2, 4),
        (3, 6),
    ]
    paths = rows(tmp_path / "a", "SELECT path, split FROM images ORDER BY rowid")
    assert paths == [(f"P1/{k}.dcm", "train") for k in range(5)]


def test_labels_keep_their_kind_and_their_order(tmp_path: Path) -> None:
    write(tmp_path / "a")
    found = rows(tmp_path / "a", "SELECT * FROM labels ORDER BY rowid")
    assert [row[1:] for row in found] == [(k, "yes", "x") for k in range(5)]
    with closing(sqlite3.connect(tmp_path / "a" / INDEX_NAME)) as connection:
        cursor = connection.execute("SELECT * FROM labels")
        names = [column[0] for column in cursor.description]
    assert names == ["instance_uid", "k", "finding", 'odd "name"']


def test_equal_input_gives_equal_files(tmp_path: Path) -> None:
    write(tmp_path / "a")
    write(tmp_path / "b")
    for name in (INDEX_NAME, SERIES_NAME):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_table_of_series_has_labels_that_are_the_same_for_all_images(tmp_path: Path) -> None:
    write(tmp_path / "a")
    with (tmp_path / "a" / SERIES_NAME).open(newline="") as file:
        volume, film = csv.DictReader(file)
    assert (volume["kind"], volume["split"], volume["finding"], volume["k"]) == (
        "volume",
        "train",
        "yes",
        "",
    )
    assert (film["kind"], film["frames"], film["k"]) == ("stack", "3", "4")


def test_an_index_is_never_written_over(tmp_path: Path) -> None:
    write(tmp_path / "a")
    with pytest.raises(FileExistsError):
        write_index(tmp_path / "a", *staged(), SPLITS, [])


def test_a_patient_without_a_split_is_no_version(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="P1"):
        write_index(tmp_path, *staged(), {}, [])
