"""DICOM files that nobody published: a student's own folder, read as series are.

Headers are read by pydicom, described and arranged as the archive does it for a version; pixels
then come from their byte ranges where they are uncompressed, else decoded, several at once.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Literal

from pydicom import filereader
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.tag import BaseTag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from dicom_catalog.errors import NotReadable
from dicom_catalog.header import Described, describe, series_rows
from dicom_catalog.image import Image
from dicom_catalog.index import Row, numbers
from dicom_catalog.series import Series
from dicom_catalog.volume import PixelFormat, StoredFrame

PLAIN = (ImplicitVRLittleEndian, ExplicitVRLittleEndian)
_PIXELS = {
    0x7FE00008: "FloatPixelData",
    0x7FE00009: "DoubleFloatPixelData",
    0x7FE00010: "PixelData",
}
_SHORT, _LONG = 8, 12  # bytes of tag, VR and length before a value

_File = tuple[Path, Described, PixelFormat]


def read_folder(path: str | Path) -> list[Series]:
    """The series of all DICOM images below `path` (a folder, or one file), any syntax.

    Sorted by patient, study and series number. Files that are no DICOM images are passed over.
    Raises NotReadable where there is none, and later, from `array()`, NotDecodable for pixels that
    no decoder here can read.
    """
    path = Path(path)
    if not path.exists():
        raise NotReadable(f"There is no folder or file {path}.", given=str(path))
    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    with warnings.catch_warnings():
        # Files of students break small rules of the standard; what matters raises.
        warnings.simplefilter("ignore")
        read = [one for one in map(_read, files) if one is not None]
    if not read:
        raise NotReadable(
            f"There is no DICOM image among the {len(files)} files of {path}. PNG and JPEG "
            "pictures are read by PIL or matplotlib.",
            given=str(path),
        )
    groups: dict[str, list[_File]] = {}
    seen: set[str] = set()
    for file, described, how in read:
        # A copy of a file is no second slice.
        if described.image["instance_uid"] not in seen:
            seen.add(described.image["instance_uid"])
            groups.setdefault(described.series["series_uid"] or "", []).append(
                (file, described, how)
            )
    made = [_series(group) for group in groups.values()]
    return sorted(made, key=lambda one: (one.patient_id, one.study_uid, one.number, one.uid))


def _read(path: Path) -> _File | None:
    """What a file holds; None where it is no DICOM image."""
    try:
        with path.open("rb") as file:
            dataset, offset, length = header_and_place(file)
        if "Rows" not in dataset or "Columns" not in dataset or not length:
            return None
        described = describe(dataset, offset, length)
        how = _format(dataset, described.image, length)
    except (InvalidDicomError, OSError, ValueError, AttributeError, KeyError, EOFError):
        return None
    return path, described, how


def header_and_place(file: BinaryIO) -> tuple[Dataset, int, int]:
    """A file's header, and at which byte the value of its pixels begins and how long it is.

    The length is 0 where there are no pixels, 0xFFFFFFFF where they are encapsulated. In a deflated
    syntax nothing lies at a byte of the file: (0, 1). Raises what pydicom raises for no DICOM.
    """
    dataset = filereader.read_partial(file, _at_pixels)
    syntax = dataset.file_meta.get("TransferSyntaxUID", ImplicitVRLittleEndian)
    if syntax == DeflatedExplicitVRLittleEndian:
        return dataset, 0, 1
    start = file.tell()
    order: Literal["big", "little"] = "big" if syntax == ExplicitVRBigEndian else "little"
    element = file.read(_LONG)
    if len(element) < _LONG:
        return dataset, 0, 0
    group, number = (int.from_bytes(element[at : at + 2], order) for at in (0, 2))
    keyword = _PIXELS.get(group << 16 | number)
    if keyword is None:
        return dataset, 0, 0
    # Present, so that it says how its values are stored; empty, because they are not read here.
    setattr(dataset, keyword, b"")
    head = _SHORT if dataset.original_encoding[0] else _LONG  # PS3.5 7.1.2 and 7.1.3
    return dataset, start + head, int.from_bytes(element[head - 4 : head], order)


def _at_pixels(tag: BaseTag, vr: str | None, length: int) -> bool:
    return tag in _PIXELS


def _format(dataset: Dataset, image: Row, length: int) -> PixelFormat:
    """How the pixels of a file are stored; colour that is not RGB by pixel becomes that.

    Changes `image` where decoding changes what it says.
    """
    syntax = str(image["transfer_syntax_uid"] or ImplicitVRLittleEndian)
    photometric = image["photometric"]
    needed = image["rows"] * image["columns"] * image["samples"] * image["bits_allocated"]
    needed = -(-needed * image["number_of_frames"] // 8)
    plain = (
        syntax in PLAIN
        and length >= needed
        and image["bits_allocated"] in (1, 8, 16, 32, 64)
        and (photometric == "RGB" or photometric.startswith("MONOCHROME"))
        and not (image["samples"] > 1 and dataset.get("PlanarConfiguration", 0))
    )
    if photometric == "PALETTE COLOR":
        descriptor = dataset.get("RedPaletteColorLookupTableDescriptor") or [0, 0, 16]
        bits = 8 if descriptor[2] <= 8 else 16
        image |= {"samples": 3, "bits_allocated": bits, "bits_stored": bits}
        image["pixel_representation"] = 0
    if image["samples"] == 3:
        image["photometric"] = "RGB"
    return PixelFormat(
        rows=image["rows"],
        columns=image["columns"],
        samples=image["samples"],
        bits_allocated=image["bits_allocated"],
        bits_stored=image["bits_stored"],
        signed=bool(image["pixel_representation"]),
        keyword=image["pixel_keyword"],
        encoded=None if plain else syntax,
    )


def _series(group: Sequence[_File]) -> Series:
    row, rows, _ = series_rows([described for _, described, _ in group])
    files = {one[1].image["instance_uid"]: one for one in group}
    frames = [_frame(line, *files[line["instance_uid"]]) for line in rows]
    own: dict[str, list[StoredFrame]] = {}
    for one in frames:
        own.setdefault(one.instance_uid, []).append(one)
    images = [_image(path, described, own) for path, described, _ in group]
    return Series(row, images.copy, frames=frames)


def _frame(line: Row, path: Path, described: Described, how: PixelFormat) -> StoredFrame:
    bits = line["frame"] * how.bits if how.bits_allocated == 1 else 0
    return StoredFrame(
        path=str(path),
        offset=line["pixel_offset"],
        format=how,
        instance_uid=line["instance_uid"],
        frame=line["frame"],
        slope=line["slope"],
        intercept=line["intercept"],
        suv_factor=described.image["suv_factor"],
        position=numbers(line["position"]),
        orientation=numbers(line["orientation"]),
        lead=bits % 8,
    )


def _image(path: Path, described: Described, frames: dict[str, list[StoredFrame]]) -> Image:
    own = sorted(frames[described.image["instance_uid"]], key=lambda one: one.frame)
    return Image({**described.image, "split": ""}, path, {}, None, frames=own)
