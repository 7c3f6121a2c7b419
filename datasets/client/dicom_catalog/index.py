"""The index of a published version: a SQLite file beside the images, opened read-only.

It holds one row an image in `images` (geometry, transfer syntax, where the pixels lie) and one in
`labels` (what the card's target and the other columns say). The archive writes it once; nothing
writes it again, so it is opened `immutable`, without locks, which a read-only mount allows.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from dicom_catalog.errors import NotReadable

INDEX_NAME = "index.sqlite"
SCHEMA_VERSION = 1

# The order in which the archive writes them and in which `images` holds them.
IMAGE_COLUMNS: dict[str, str] = {
    "instance_uid": "TEXT PRIMARY KEY",
    "patient_id": "TEXT NOT NULL",
    "study_uid": "TEXT NOT NULL",
    "series_uid": "TEXT NOT NULL",
    "instance_number": "INTEGER",
    "split": "TEXT NOT NULL",
    "path": "TEXT NOT NULL",
    "sop_class_uid": "TEXT NOT NULL",
    "transfer_syntax_uid": "TEXT NOT NULL",
    "modality": "TEXT NOT NULL",
    "rows": "INTEGER NOT NULL",
    "columns": "INTEGER NOT NULL",
    "samples": "INTEGER NOT NULL",
    "bits_allocated": "INTEGER NOT NULL",
    "bits_stored": "INTEGER NOT NULL",
    "pixel_representation": "INTEGER NOT NULL",
    "photometric": "TEXT NOT NULL",
    "pixel_offset": "INTEGER NOT NULL",
    "pixel_length": "INTEGER NOT NULL",
    "row_spacing": "REAL",
    "column_spacing": "REAL",
    "spacing_source": "TEXT",
    "slope": "REAL NOT NULL",
    "intercept": "REAL NOT NULL",
    "window_center": "REAL NOT NULL",
    "window_width": "REAL NOT NULL",
    "window_source": "TEXT NOT NULL",
    "voi_function": "TEXT NOT NULL",
}

# How pixels lie in a file; people who look at a table do not need these.
STORAGE_COLUMNS = (
    "sop_class_uid",
    "transfer_syntax_uid",
    "samples",
    "bits_allocated",
    "bits_stored",
    "pixel_representation",
    "pixel_offset",
    "pixel_length",
    "slope",
    "intercept",
    "window_source",
    "voi_function",
)


def read_index(folder: Path) -> tuple[pd.DataFrame, list[str]]:
    """All rows of the version in `folder`, in the order of the index, and the label columns.

    Raises NotReadable where the index is absent, damaged or of a newer RadLab.
    """
    path = folder / INDEX_NAME
    address = f"file:{quote(str(path))}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(address, uri=True)) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version != SCHEMA_VERSION:
                raise NotReadable(
                    f"{path} has index layout {version}, this dicom_catalog reads "
                    f"{SCHEMA_VERSION}. Use the image that belongs to this RadLab.",
                    given=version,
                    allowed=[SCHEMA_VERSION],
                )
            images = pd.read_sql_query("SELECT * FROM images ORDER BY rowid", connection)
            labels = pd.read_sql_query("SELECT * FROM labels", connection)
    except (sqlite3.Error, pd.errors.DatabaseError) as error:
        raise NotReadable(
            f"{path} cannot be read ({error}). Ask your administrator to run "
            "'radlab dataset verify' on it.",
            given=str(path),
        ) from error
    names = [name for name in labels.columns if name != "instance_uid"]
    return images.merge(labels, on="instance_uid", how="left", validate="one_to_one"), names
