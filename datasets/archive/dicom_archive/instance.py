"""One image on its way into a version: its file's bytes and its rows of the index.

A version holds plain files: Explicit VR Little Endian, pixels uncompressed and last, so that the
index can say at which byte each frame begins. What comes in another syntax is rewritten by
`plain.py`, stored values unchanged; a plain file is kept byte for byte.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import numpy as np
import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from dicom_archive.errors import BadImage
from dicom_archive.plain import PIXEL_TAGS, is_plain, make_plain, stored, written
from dicom_catalog.header import Described, describe

Labels = dict[str, Any]
UIDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
BITS = (1, 8, 16, 32, 64)
_INTEGERS = 2**63  # SQLite's integers have 64 bits, one of them the sign
_UNDEFINED = 0xFFFFFFFF  # of an encapsulated element, which ends by a delimiter
_DERIVED = ("SEG", "SR", "RTSTRUCT", "RWV", "PR", "ANN", "KO")


@dataclass
class Instance:
    """A file ready to be written, and what the index will say of it but path and split."""

    data: bytes
    described: Described
    labels: Labels = field(default_factory=dict)
    marked_deidentified: bool = False

    @property
    def row(self) -> dict[str, Any]:
        """Its row of `images`."""
        return self.described.image

    @property
    def uid(self) -> str:
        """SOP Instance UID."""
        return str(self.row["instance_uid"])

    @property
    def patient(self) -> str:
        """Patient ID."""
        return str(self.row["patient_id"])


def instance_from_bytes(data: bytes) -> Instance:
    """The instance in a DICOM file; BadImage with the reason where it cannot be taken."""
    with refused_as_bad_image():
        return _instance(data)


def instance_from_dataset(dataset: Dataset) -> Instance:
    """The instance of an uncompressed object that was just made."""
    return instance_from_bytes(written(dataset))


def check_identity(dataset: Dataset) -> None:
    """BadImage where a UID is absent or none, or the patient has no ID."""
    for keyword in UIDS:
        uid = str(dataset.get(keyword, ""))
        if not uid:
            raise BadImage(f"it has no {keyword}")
        # Folders are named by UIDs: one that holds a slash would lead out of the version.
        if len(uid) > 64 or not re.fullmatch(r"\d+(\.\d+)*", uid):
            raise BadImage(f"its {keyword} is no UID")
    if not str(dataset.get("PatientID", "")):
        raise BadImage("it has no Patient ID, so no split by patient is possible")


def sound_labels(labels: Mapping[str, Any]) -> Labels:
    """Labels as the index gives them back.

    The root hash is made of the labels before SQLite has them and checked with what it gives back:
    a truth value comes back as 0 or 1, NaN as NULL, and more than 64 bits it does not take. An
    infinite number comes back as it is, and tables of real studies have some.
    """
    return {name: _sound(value) for name, value in labels.items()}


def _sound(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value if -_INTEGERS <= value < _INTEGERS else str(value)
    return None if isinstance(value, float) and math.isnan(value) else value


@contextmanager
def refused_as_bad_image() -> Iterator[None]:
    """Without warnings, and with every exception of a broken file as BadImage with the reason.

    pydicom and the decoders behind it raise many kinds of exception on broken files; here each of
    them means the same: this file is left out.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except BadImage:
        raise
    except Exception as error:
        raise BadImage(_reason(error)) from error


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text[:200] if text else type(error).__name__


def _instance(data: bytes) -> Instance:
    dataset = pydicom.dcmread(io.BytesIO(data))
    _check(dataset)
    if is_plain(dataset):
        pixels = None if _has_window(dataset) else stored(dataset)
    else:
        pixels = make_plain(dataset)
        data = written(dataset)
    offset, length = _pixel_place(data, dataset)
    digest = sha256(data).hexdigest()
    described = describe(dataset, offset, length, digest, pixels)
    needed = described.frames[-1]["pixel_offset"] + described.frames[-1]["pixel_length"] - offset
    if length < needed:
        raise BadImage(f"its pixels are less than expected: {length} of {needed} bytes")
    removed = dataset.get("PatientIdentityRemoved") == "YES"
    return Instance(data, described, marked_deidentified=removed)


def _check(dataset: Dataset) -> None:
    check_identity(dataset)
    if dataset.get("Modality") in _DERIVED:
        raise BadImage(f"it is a {dataset.Modality} object, which goes with the images it marks")
    if not any(keyword in dataset for keyword in PIXEL_TAGS):
        raise BadImage("it has no pixels")
    raw = dataset.get_item(next(tag for tag in PIXEL_TAGS.values() if tag in dataset))
    if isinstance(raw, RawDataElement) and len(raw.value or b"") < raw.length < _UNDEFINED:
        raise BadImage("its pixels are less than expected: the file is cut short")
    samples = int(dataset.get("SamplesPerPixel", 1) or 1)
    if samples not in (1, 3):
        raise BadImage(f"it has {samples} samples a pixel; 1 and 3 are taken")
    if int(dataset.BitsAllocated) not in BITS:
        taken = ", ".join(map(str, BITS))
        raise BadImage(f"it has {dataset.BitsAllocated} bits allocated; taken are {taken}")


def _has_window(dataset: Dataset) -> bool:
    return "WindowWidth" in dataset or int(dataset.get("SamplesPerPixel", 1) or 1) > 1


def _pixel_place(data: bytes, dataset: Dataset) -> tuple[int, int]:
    """Where the pixels' value lies: it is the last element of a plain file."""
    keyword = next(one for one in PIXEL_TAGS if one in dataset)
    value = dataset[keyword].value
    length = len(value) + len(value) % 2
    offset = len(data) - length
    # PS3.5 7.1.2: tag, VR, two reserved bytes, a length of four bytes.
    head = data[offset - 12 : offset]
    tag = PIXEL_TAGS[keyword]
    expected = (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little")
    if head[:4] != expected or int.from_bytes(head[8:12], "little") != length:
        raise BadImage("its pixels do not stand where they should")
    return offset, length
