"""The index of a version from what was staged: index.sqlite (layout 2) and series.csv beside it.

Equal images in equal order give equal tables; nothing here depends on time, place or process.
"""

from __future__ import annotations

import csv
import os
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from dicom_archive.derived import Derived
from dicom_archive.instance import Instance
from dicom_catalog.header import series_rows
from dicom_catalog.layout import INDEX_NAME, LAYOUT, TABLES, statements

SERIES_NAME = "series.csv"

Row = Mapping[str, Any]


def write_index(
    folder: Path,
    instances: Sequence[Instance],
    derived: Sequence[Derived],
    splits: Mapping[str, str],
    columns: Sequence[str],
) -> None:
    """Write `folder`/index.sqlite and `folder`/series.csv, which must not be there yet.

    `instances` come in the order of the table, each `row` of both kinds with its `path` and
    `sha256`; `splits` gives a patient's split. `columns` are the label columns in their order; an
    image without such a label has NULL there. Both files are on the disk when this returns.
    Raises KeyError where a row lacks a column or a patient a split, FileExistsError where a file
    is there.
    """
    tables = _tables(instances, derived, splits)
    path = folder / INDEX_NAME
    path.touch(exist_ok=False)
    with closing(sqlite3.connect(path)) as connection, connection:
        # Made once in a folder that nobody sees: a journal of it would only be written twice.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute(f"PRAGMA user_version = {LAYOUT}")
        for statement in statements():
            connection.execute(statement)
        for table, rows in tables.items():
            _insert(connection, table, list(TABLES[table]), rows)
        _write_labels(connection, instances, columns)
    _sync(path)
    _write_series(folder / SERIES_NAME, tables["series"], instances, splits, columns)


def _tables(
    instances: Sequence[Instance], derived: Sequence[Derived], splits: Mapping[str, str]
) -> dict[str, list[Row]]:
    studies: dict[str, Row] = {}
    by_series: dict[str, list[Instance]] = {}
    for one in instances:
        studies.setdefault(str(one.row["study_uid"]), one.described.study)
        by_series.setdefault(str(one.row["series_uid"]), []).append(one)
    series: list[Row] = []
    frames: list[Row] = []
    for members in by_series.values():
        row, sorted_frames, _ = series_rows([one.described for one in members])
        series.append(row)
        frames += sorted_frames
    return {
        "studies": list(studies.values()),
        "series": series,
        "images": [{**one.row, "split": splits[one.patient]} for one in instances],
        "frames": frames,
        "objects": [one.row for one in derived],
        "segments": [row for one in derived for row in one.segments],
        "masks": [row for one in derived for row in one.masks],
        "boxes": [row for one in derived for row in one.boxes],
    }


def _insert(
    connection: sqlite3.Connection, table: str, columns: Sequence[str], rows: Iterable[Row]
) -> None:
    marks = ", ".join("?" * len(columns))
    connection.executemany(
        f'INSERT INTO "{table}" VALUES ({marks})',
        ([row[name] for name in columns] for row in rows),
    )


def _write_labels(
    connection: sqlite3.Connection, instances: Sequence[Instance], columns: Sequence[str]
) -> None:
    # A column without a type keeps each label as it came: a number as a number, a text as a text.
    named = "".join(f", {_quoted(name)}" for name in columns)
    connection.execute(f"CREATE TABLE labels (instance_uid TEXT PRIMARY KEY{named})")
    rows = ({**one.labels, "": one.uid} for one in instances)
    marks = ", ".join("?" * (len(columns) + 1))
    connection.executemany(
        f"INSERT INTO labels VALUES ({marks})",
        ([row[""], *(row.get(name) for name in columns)] for row in rows),
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _write_series(
    path: Path,
    series: Sequence[Row],
    instances: Sequence[Instance],
    splits: Mapping[str, str],
    columns: Sequence[str],
) -> None:
    """A row a series for pandas and spreadsheets; labels where all its images have the same."""
    labels: dict[str, list[Mapping[str, Any]]] = {}
    for one in instances:
        labels.setdefault(str(one.row["series_uid"]), []).append(one.labels)
    with path.open("x", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*TABLES["series"], "split", *columns])
        for row in series:
            common = [_common(labels[str(row["series_uid"])], name) for name in columns]
            known = [row[name] for name in TABLES["series"]]
            writer.writerow([*known, splits[str(row["patient_id"])], *common])
        file.flush()
        os.fsync(file.fileno())


def _common(labels: Sequence[Mapping[str, Any]], name: str) -> Any:
    first = labels[0].get(name)
    return first if all(one.get(name) == first for one in labels) else None


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
