"""What is marked on a series, as arrays over its slices: masks, label maps, boxes.

The index says where the mask of each frame lies in its SEG (`masks` of layout.py), so the bits are
read from there and no DICOM object is parsed. A binary SEG packs its frames bit by bit, the least
significant bit first and without padding between frames (PS3.5 8.1.1 and 8.2): a frame may begin
in the middle of a byte. All arrays run along the frames that the caller names, so a mask lies on
its image whatever the order of the frames in the SEG.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from dicom_catalog.annotations import Box, LabelMap, Segment
from dicom_catalog.errors import NotReadable, OverlappingMasks

Frames = Sequence[tuple[str, int]]  # (SOP Instance UID, frame from 0), a pair a slice
Masks = dict[str, NDArray[np.bool_]]

_FIRST_LAYOUT_WITH_MASKS = 2
_BOX_FIELDS = tuple(field.name for field in fields(Box))
_HALF = 0.5  # of a fractional SEG, what is as probable as not counts as inside


@dataclass(frozen=True)
class DerivedObject:
    """A SEG or SR of the version that speaks of a series; `.dicom()` reads it by pydicom."""

    uid: str
    modality: str
    sop_class_uid: str
    path: Path

    def dicom(self) -> pydicom.Dataset:
        """The whole DICOM object."""
        return pydicom.dcmread(self.path)


@dataclass(frozen=True)
class _Marked:
    """The segments of one SEG, and where its frames lie by the place of the slice."""

    path: Path
    segments: tuple[Segment, ...]
    kind: str
    objects: bool
    places: tuple[tuple[int, int, int, int], ...]  # slice, segment number, offset and size in bits
    shape: tuple[int, int, int]


def read_masks(
    folder: Path, connection: sqlite3.Connection, series_uid: str, frames: Frames
) -> Masks:
    """Where each structure is: bool (len(frames), rows, columns) by the segment's name.

    `folder` is the version's, `connection` its index. Segments of one name are joined. A segment
    that marks nothing here is False throughout; without a SEG of this series the dict is empty.
    NotReadable where a file is shorter than its index says.
    """
    found: Masks = {}
    for marked in _marked(folder, connection, series_uid, frames):
        for name, mask in _masks_of(marked).items():
            found[name] = mask if name not in found else found[name] | mask
    return found


def read_label_map(
    folder: Path, connection: sqlite3.Connection, series_uid: str, frames: Frames
) -> LabelMap | None:
    """One array for all structures: which number each pixel has; None where nothing is marked.

    Segments keep their numbers where one SEG speaks of the series; those of further SEGs are
    numbered on. Raises OverlappingMasks where a pixel belongs to two structures, because a label
    map has one number a pixel: use `masks()` then.
    """
    all_marked = _marked(folder, connection, series_uid, frames)
    if not all_marked:
        return None
    if len(all_marked) == 1 and all_marked[0].kind == "labelmap":
        (marked,) = all_marked
        return LabelMap(tuple(frames), _label_values(marked), marked.segments, marked.objects)
    return _joined(all_marked, frames)


def read_boxes(connection: sqlite3.Connection, series_uid: str, frames: Frames) -> list[Box]:
    """The boxes on these frames of a series.

    A box through several slices is on each of them, and is given once.
    """
    if not _has_masks(connection):
        return []
    names = ", ".join(f'"{name}"' for name in _BOX_FIELDS)  # left and right are words of SQL
    lines = connection.execute(
        f"SELECT {names} FROM boxes WHERE series_uid = ? ORDER BY rowid", (series_uid,)
    ).fetchall()
    wanted = set(frames)
    boxes = [_box(dict(zip(_BOX_FIELDS, line, strict=True))) for line in lines]
    places = _places(connection, series_uid, wanted) if boxes else []
    return [
        box
        for box in boxes
        if (box.instance_uid, box.frame) in wanted
        or (
            box.first is not None
            and box.last is not None
            and any(box.first <= place <= box.last for place in places)
        )
    ]


def _places(
    connection: sqlite3.Connection, series_uid: str, wanted: set[tuple[str, int]]
) -> list[int]:
    """Which slices of the series these frames are."""
    lines = connection.execute(
        "SELECT instance_uid, frame, place FROM frames WHERE series_uid = ?", (series_uid,)
    )
    return [place for uid, frame, place in lines if (uid, frame) in wanted]


def _box(row: dict[str, Any]) -> Box:
    return Box(**row | {"more": json.loads(row["more"])})


def read_objects(
    folder: Path, connection: sqlite3.Connection, series_uid: str
) -> list[DerivedObject]:
    """The SEG and SR objects of the version that speak of a series."""
    if not _has_masks(connection):
        return []
    lines = connection.execute(
        "SELECT instance_uid, modality, sop_class_uid, path FROM objects "
        "WHERE references_series_uid = ? ORDER BY rowid",
        (series_uid,),
    )
    return [DerivedObject(uid, kind, sop, folder / path) for uid, kind, sop, path in lines]


def read_structures(connection: sqlite3.Connection) -> list[str]:
    """The names of all segments of the version, sorted."""
    if not _has_masks(connection):
        return []
    return [name for (name,) in connection.execute("SELECT DISTINCT name FROM segments ORDER BY 1")]


def _has_masks(connection: sqlite3.Connection) -> bool:
    (layout,) = connection.execute("PRAGMA user_version").fetchone()
    return bool(layout >= _FIRST_LAYOUT_WITH_MASKS)


def _marked(
    folder: Path, connection: sqlite3.Connection, series_uid: str, frames: Frames
) -> list[_Marked]:
    """The SEGs that speak of the series, in the order of the index."""
    if not _has_masks(connection) or not frames:
        return []
    lines = connection.execute(
        "SELECT object_uid, number, instance_uid, frame, bit_offset, bits, rows, columns "
        "FROM masks WHERE series_uid = ?",
        (series_uid,),
    ).fetchall()
    objects = connection.execute(
        "SELECT DISTINCT o.instance_uid, o.path FROM objects o "
        "JOIN segments s ON s.object_uid = o.instance_uid "
        "WHERE o.references_series_uid = ? OR o.instance_uid IN "
        "(SELECT object_uid FROM masks WHERE series_uid = ?) ORDER BY o.rowid",
        (series_uid, series_uid),
    ).fetchall()
    size = _size(connection, frames[0][0])
    found = []
    for uid, path in objects:
        mine = [line[1:] for line in lines if line[0] == uid]
        one = _one(connection, uid, folder / path, mine, frames, size)
        # Left out where it marks other images of the series; kept where it marks none at all.
        if one.places or not mine:
            found.append(one)
    return found


def _size(connection: sqlite3.Connection, instance_uid: str) -> tuple[int, int]:
    rows, columns = connection.execute(
        "SELECT rows, columns FROM images WHERE instance_uid = ?", (instance_uid,)
    ).fetchone()
    return int(rows), int(columns)


def _one(
    connection: sqlite3.Connection,
    uid: str,
    path: Path,
    lines: Sequence[tuple[int, str, int, int, int, int, int]],
    frames: Frames,
    size: tuple[int, int],
) -> _Marked:
    described = connection.execute(
        "SELECT number, name, code, kind, objects FROM segments WHERE object_uid = ? "
        "ORDER BY number",
        (uid,),
    ).fetchall()
    place = {frame: number for number, frame in enumerate(frames)}
    places = []
    for number, instance_uid, frame, offset, bits, rows, columns in lines:
        if (instance_uid, frame) not in place:
            continue
        if (rows, columns) != size:
            raise NotReadable(
                f"The mask in {path} has {rows} x {columns} pixels, its image has {size[0]} x "
                f"{size[1]}. Ask whoever published this dataset to import it again.",
                given=uid,
            )
        places.append((place[instance_uid, frame], number, offset, bits))
    segments = tuple(_segment(number, name, code) for number, name, code, _, _ in described)
    kind, objects = described[0][3], bool(described[0][4])
    return _Marked(path, segments, kind, objects, tuple(sorted(places)), (len(frames), *size))


def _segment(number: int, name: str, code: str) -> Segment:
    value, scheme, meaning = json.loads(code)
    return Segment(number, name, (value, scheme, meaning))


def _masks_of(marked: _Marked) -> Masks:
    if marked.kind == "labelmap":
        return _split(_label_values(marked), marked.segments, marked.objects)
    found: Masks = {}
    numbered = {}
    for segment in marked.segments:
        array = found.setdefault(segment.name, np.zeros(marked.shape, dtype=bool))
        numbered[segment.number] = array
    for place, number, frame in _frames(marked):
        numbered[number][place] |= frame
    return found


def _split(values: NDArray[Any], segments: Sequence[Segment], objects: bool) -> Masks:
    if objects:
        return {segments[0].name: values > 0}
    names = dict.fromkeys(segment.name for segment in segments)
    return {name: np.isin(values, [s.number for s in segments if s.name == name]) for name in names}


def _frames(marked: _Marked) -> list[tuple[int, int, NDArray[np.bool_]]]:
    """(slice, segment, mask) of each frame of a binary or fractional SEG."""
    limit = _fraction_limit(marked.path) if marked.kind == "fractional" else 1
    raw = _raw(marked)
    return [
        (place, number, np.asarray(frame >= limit))
        for (place, number, _, _), frame in zip(marked.places, raw, strict=True)
    ]


def _fraction_limit(path: Path) -> float:
    # Maximum Fractional Value (0062,000E) is the only thing that the index does not say, and
    # fractional SEGs are few: the header is read for it.
    header = pydicom.dcmread(
        path, stop_before_pixels=True, specific_tags=["MaximumFractionalValue"]
    )
    return float(header.get("MaximumFractionalValue", 255)) * _HALF


def _label_values(marked: _Marked) -> NDArray[Any]:
    wide = any(bits > 8 for _, _, _, bits in marked.places)
    values = np.zeros(marked.shape, dtype=np.uint16 if wide else np.uint8)
    for (place, _, _, _), frame in zip(marked.places, _raw(marked), strict=True):
        values[place] = frame
    return values


def _raw(marked: _Marked) -> list[NDArray[Any]]:
    """The stored frames of one file, (rows, columns) each: uint8 (0 and 1 too) or uint16."""
    rows, columns = marked.shape[1:]
    if not marked.places:
        return []
    try:
        with open(marked.path, "rb", buffering=0) as file:
            return [
                _frame(file.fileno(), marked.path, offset, bits, rows, columns)
                for _, _, offset, bits in marked.places
            ]
    except OSError as error:
        raise NotReadable(
            f"{marked.path} cannot be read: {error}.", given=str(marked.path)
        ) from error


def _frame(
    file: int, path: Path, bit_offset: int, bits: int, rows: int, columns: int
) -> NDArray[Any]:
    first, lead = divmod(bit_offset, 8)
    wanted = rows * columns
    length = (lead + wanted * bits + 7) // 8
    data = os.pread(file, length, first)
    if len(data) != length:
        raise NotReadable(
            f"{path} ends before a mask that its index names. Ask your administrator to run "
            "'radlab dataset verify' on this dataset.",
            given=str(path),
        )
    if bits > 1:
        return np.frombuffer(data, f"<u{bits // 8}", wanted).reshape(rows, columns)
    unpacked = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    return unpacked[lead : lead + wanted].reshape(rows, columns)


def _joined(all_marked: Sequence[_Marked], frames: Frames) -> LabelMap:
    """One label map of several SEGs, or of a SEG that has a frame a segment."""
    shape, first = all_marked[0].shape, all_marked[0]
    apart = _apart(all_marked)
    parts: list[tuple[NDArray[np.uint16], _Marked]] = []
    segments = list(first.segments)
    last = 0
    for marked in all_marked:
        shift = 0 if apart or marked is first else last
        part = _numbered(marked, shape, shift)
        parts.append((part, marked))
        if shift:
            segments += [replace(s, number=s.number + shift) for s in marked.segments]
        last = max(last, int(part.max(initial=0)), *(s.number for s in segments))
    values = np.zeros(shape, dtype=np.uint8 if last < 256 else np.uint16)
    for part, marked in parts:
        if np.any(values[part > 0]):
            raise _overlap(marked.path, segments)
        np.copyto(values, part, where=part > 0, casting="same_kind")
    return LabelMap(tuple(frames), values, tuple(segments), apart and first.objects)


def _apart(all_marked: Sequence[_Marked]) -> bool:
    """Whether the SEGs mean the same by their numbers and never mark the same slice.

    So it is where each image of a series has a SEG of its own.
    """
    meant = {
        (marked.objects, *((s.number, s.name) for s in marked.segments)) for marked in all_marked
    }
    slices = [{place for place, *_ in marked.places} for marked in all_marked]
    return len(meant) == 1 and len(set().union(*slices)) == sum(map(len, slices))


def _numbered(marked: _Marked, shape: tuple[int, int, int], shift: int) -> NDArray[np.uint16]:
    if marked.kind == "labelmap":
        values = _label_values(marked).astype(np.uint16)
        values[values > 0] += np.uint16(shift)
        return values
    values = np.zeros(shape, dtype=np.uint16)
    for place, number, frame in _frames(marked):
        if np.any(values[place][frame]):
            raise _overlap(marked.path, marked.segments)
        values[place][frame] = number + shift
    return values


def _overlap(path: Path, segments: Sequence[Segment]) -> OverlappingMasks:
    names = list(dict.fromkeys(segment.name for segment in segments))
    return OverlappingMasks(
        f"In {path.name} a pixel belongs to two of {', '.join(names)}: a label map has one number "
        "a pixel. Use .masks(), which gives each structure an array of its own.",
        given=str(path),
        allowed=names,
    )
