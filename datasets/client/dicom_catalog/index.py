"""The index of a published version: a SQLite file beside the images, opened read-only.

`layout.py` says what it holds. The archive writes it once and nothing writes it again, so it is
opened `immutable`, without locks, which a read-only mount allows; and for each question anew (a
tenth of a millisecond), so that nothing open is carried into another thread or process.

Layout 1, of the first versions, has a row an image and no more; the columns of layout 2 are made up
from what it says.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from dicom_catalog.errors import NotReadable
from dicom_catalog.layout import INDEX_NAME, LAYOUT, TABLES
from dicom_catalog.volume import PixelFormat, StoredFrame

Row = dict[str, Any]

# Columns of `images` that people who look at a table do not need: how pixels lie in a file.
STORAGE_COLUMNS = (
    "sop_class_uid",
    "transfer_syntax_uid",
    "samples",
    "bits_allocated",
    "bits_stored",
    "pixel_representation",
    "pixel_keyword",
    "pixel_offset",
    "pixel_length",
    "slope",
    "intercept",
    "rescale_type",
    "suv_factor",
    "window_source",
    "voi_function",
    "sha256",
)

# Columns of `images`: no label may be called like one of them.
IMAGE_COLUMNS = TABLES["images"]

# What layout 2 says of an image beyond layout 1, as it is for each image of layout 1.
_SINCE_2: Row = {
    "number_of_frames": 1,
    "pixel_keyword": "PixelData",
    "lossy": 0,
    "rescale_type": None,
    "suv_factor": None,
    "frame_seconds": None,
    "sha256": "",
}
_SERIES_1 = """SELECT series_uid, study_uid, patient_id, modality, NULL AS series_number,
    NULL AS series_description, COUNT(*) AS instances, COUNT(*) AS frames, 'images' AS kind,
    'its index is of an older RadLab and holds no positions' AS reason, NULL AS affine,
    NULL AS slice_spacing, NULL AS tilt, NULL AS gaps FROM images"""
_FRAMES_2 = """SELECT i.path, f.pixel_offset, f.instance_uid, f.frame, f.slope, f.intercept,
    i.suv_factor, f.position, f.orientation, i.pixel_offset, i.rows, i.columns, i.samples,
    i.bits_allocated, i.bits_stored, i.pixel_representation, i.pixel_keyword
    FROM frames f JOIN images i USING (instance_uid) WHERE f.series_uid = ? {more}
    ORDER BY f.place"""
_FRAMES_1 = """SELECT path, pixel_offset, instance_uid, 0, slope, intercept, NULL, NULL, NULL,
    pixel_offset, rows, columns, samples, bits_allocated, bits_stored, pixel_representation,
    'PixelData' FROM images WHERE series_uid = ? {more} ORDER BY instance_number, instance_uid"""


class Index:
    """The index of the version in `folder`; NotReadable where it is absent, damaged or newer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / INDEX_NAME
        self._address = f"file:{quote(str(self.path))}?mode=ro&immutable=1"
        with self.connection() as connection:
            (self.layout,) = connection.execute("PRAGMA user_version").fetchone()
            if not 1 <= self.layout <= LAYOUT:
                raise NotReadable(
                    f"{self.path} has index layout {self.layout}, this dicom_catalog reads "
                    f"1 to {LAYOUT}. Use the image that belongs to this RadLab.",
                    given=self.layout,
                    allowed=range(1, LAYOUT + 1),
                )
            columns = [line[1] for line in connection.execute("PRAGMA table_info(labels)")]
        self.label_columns = [name for name in columns if name != "instance_uid"]

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """A connection for a few questions; what SQLite refuses becomes NotReadable."""
        try:
            with closing(sqlite3.connect(self._address, uri=True)) as connection:
                yield connection
        except (sqlite3.Error, pd.errors.DatabaseError) as error:
            raise NotReadable(
                f"{self.path} cannot be read ({error}). Ask your administrator to run "
                "'radlab dataset verify' on it.",
                given=str(self.path),
            ) from error

    def images(self) -> pd.DataFrame:
        """All images with their labels, in the order of the index; columns of layout 2."""
        with self.connection() as connection:
            images = pd.read_sql_query("SELECT * FROM images ORDER BY rowid", connection)
            labels = pd.read_sql_query("SELECT * FROM labels", connection)
        if self.layout == 1:
            images = images.assign(**_SINCE_2)[list(TABLES["images"])]
        return images.merge(labels, on="instance_uid", how="left", validate="one_to_one")

    def series(self, series_uid: str | None = None) -> list[Row]:
        """The rows of `series`, or that of one series; layout 1 has some of the columns."""
        select = "SELECT * FROM series" if self.layout > 1 else _SERIES_1
        where = "" if series_uid is None else " WHERE series_uid = ?"
        group = " GROUP BY series_uid ORDER BY MIN(rowid)" if self.layout == 1 else ""
        given = () if series_uid is None else (series_uid,)
        with self.connection() as connection:
            connection.row_factory = sqlite3.Row
            return [dict(line) for line in connection.execute(select + where + group, given)]

    def series_uids(self) -> list[str]:
        """All series, in the order of their first images."""
        query = "SELECT series_uid FROM images GROUP BY series_uid ORDER BY MIN(rowid)"
        with self.connection() as connection:
            return [line[0] for line in connection.execute(query)]

    def frames(self, series_uid: str, instance_uid: str | None = None) -> list[StoredFrame]:
        """The frames of a series as they are sorted, or those of one of its instances."""
        query = _FRAMES_2 if self.layout > 1 else _FRAMES_1
        more = "" if instance_uid is None else "AND instance_uid = ?"
        given = (series_uid,) if instance_uid is None else (series_uid, instance_uid)
        with self.connection() as connection:
            lines = connection.execute(query.format(more=more), given).fetchall()
        return self._stored(lines)

    def _stored(self, lines: Sequence[Sequence[Any]]) -> list[StoredFrame]:
        formats: dict[tuple[Any, ...], PixelFormat] = {}
        made = []
        for path, offset, uid, number, slope, intercept, suv, position, turn, base, *how in lines:
            one = formats.get(tuple(how))
            if one is None:
                one = formats.setdefault(tuple(how), _format(how))
            lead = 0
            if one.bits_allocated == 1:
                # A frame of single bits may begin within a byte (PS3.5 8.1.1).
                offset, lead = divmod(base * 8 + number * one.bits, 8)
            made.append(
                StoredFrame(
                    path=f"{self.folder}/{path}",
                    offset=offset,
                    format=one,
                    instance_uid=uid,
                    frame=number,
                    slope=slope,
                    intercept=intercept,
                    suv_factor=suv,
                    position=numbers(position),
                    orientation=numbers(turn),
                    lead=lead,
                )
            )
        return made


def _format(how: Sequence[Any]) -> PixelFormat:
    rows, columns, samples, allocated, stored, signed, keyword = how
    return PixelFormat(rows, columns, samples, allocated, stored, bool(signed), keyword)


def numbers(text: str | None) -> tuple[float, ...] | None:
    """The numbers of a JSON list of the index, None where there is none."""
    return None if text is None else tuple(map(float, json.loads(text)))
