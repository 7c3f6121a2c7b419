"""One image on its way into a version: its file's bytes and its row of the index.

A version holds plain files: Explicit VR Little Endian, pixels uncompressed and last, so that the
index can say at which byte they begin. What comes in another syntax is rewritten, pixels unchanged.
"""

from __future__ import annotations

import io
import re
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID, ExplicitVRLittleEndian

from dicom_archive.errors import BadImage
from dicom_synthetic.uids import derived_uid

Labels = dict[str, Any]
MONOCHROME = ("MONOCHROME1", "MONOCHROME2")
VOI_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
IMPLEMENTATION_UID = derived_uid("radlab", "dicom_archive")


@dataclass
class Instance:
    """A file ready to be written: `row` has all columns of the index but path and split."""

    data: bytes
    row: dict[str, Any]
    labels: Labels = field(default_factory=dict)
    marked_deidentified: bool = False

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
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _instance(data)
    except BadImage:
        raise
    # pydicom and the decoders behind it raise many kinds of exception on broken files; here each
    # of them means the same: this file is left out, with the reason.
    except Exception as error:
        raise BadImage(_reason(error)) from error


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text[:200] if text else type(error).__name__


def _instance(data: bytes) -> Instance:
    dataset = pydicom.dcmread(io.BytesIO(data))
    _check(dataset)
    if _is_plain(dataset):
        pixels = _stored(dataset)
    else:
        pixels = _make_plain(dataset)
        data = _written(dataset)
    removed = dataset.get("PatientIdentityRemoved") == "YES"
    row = {**_row(dataset, pixels), **_pixel_place(data)}
    return Instance(data, row, marked_deidentified=removed)


def instance_from_dataset(dataset: Dataset) -> Instance:
    """The instance of an uncompressed object that was just made."""
    return instance_from_bytes(_written(dataset))


def _check(dataset: Dataset) -> None:
    for keyword in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        uid = str(dataset.get(keyword, ""))
        if not uid:
            raise BadImage(f"it has no {keyword}")
        # Folders are named by UIDs: one that holds a slash would lead out of the version.
        if len(uid) > 64 or not re.fullmatch(r"\d+(\.\d+)*", uid):
            raise BadImage(f"its {keyword} is no UID")
    if not str(dataset.get("PatientID", "")):
        raise BadImage("it has no Patient ID, so no split by patient is possible")
    if "PixelData" not in dataset:
        raise BadImage("it has no pixels")
    if int(dataset.get("NumberOfFrames", 1) or 1) != 1:
        raise BadImage(f"it has {dataset.NumberOfFrames} frames; only single images are taken")
    photometric = str(dataset.get("PhotometricInterpretation", ""))
    samples = int(dataset.get("SamplesPerPixel", 1))
    if samples == 1 and photometric not in MONOCHROME:
        raise BadImage(f"its photometric interpretation {photometric or 'is absent'} is not taken")
    if int(dataset.BitsAllocated) not in (8, 16):
        raise BadImage(f"it has {dataset.BitsAllocated} bits allocated; 8 and 16 are taken")


def _is_plain(dataset: Dataset) -> bool:
    plain = dataset.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    grey = int(dataset.get("SamplesPerPixel", 1)) == 1
    interleaved = dataset.get("PhotometricInterpretation") == "RGB" and not dataset.get(
        "PlanarConfiguration", 0
    )
    last = max(element.tag for element in dataset) == dataset["PixelData"].tag
    return bool(plain and (grey or interleaved) and last)


def _stored(dataset: Dataset) -> np.ndarray:
    # Of the whole module, because `Dataset.pixel_array` leaves uncompressed YBR as it is.
    return np.asarray(pixel_array(dataset))


def _make_plain(dataset: Dataset) -> np.ndarray:
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        pixels = _stored(dataset)
    except (RuntimeError, NotImplementedError) as error:
        raise BadImage(f"its transfer syntax {syntax.name} cannot be decoded here") from error
    if pixels.ndim == 3:
        dataset.PhotometricInterpretation = "RGB"
        dataset.PlanarConfiguration = 0
    for element in [e for e in dataset if e.tag > dataset["PixelData"].tag]:
        del dataset[element.tag]  # trailing padding and signatures, which no longer hold
    dataset.BitsAllocated = pixels.dtype.itemsize * 8
    dataset.set_pixel_data(
        pixels,
        str(dataset.PhotometricInterpretation),
        int(dataset.BitsStored),
        generate_instance_uid=False,
    )
    return pixels


def _written(dataset: Dataset) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_UID)
    meta.ImplementationVersionName = "RADLAB"
    dataset.file_meta = meta
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def _pixel_place(data: bytes) -> dict[str, int]:
    """Where the value of (7FE0,0010) lies; after it there is nothing (see `_is_plain`)."""
    file = io.BytesIO(data)
    pydicom.dcmread(file, stop_before_pixels=True)
    head = data[file.tell() : file.tell() + 12]
    # PS3.5 7.1.2: tag, VR OB or OW, two reserved bytes, a length of four bytes.
    if head[:4] != b"\xe0\x7f\x10\x00" or head[4:6] not in (b"OB", b"OW"):
        raise BadImage("its pixels do not stand where they should")
    length = int.from_bytes(head[8:12], "little")
    return {"pixel_offset": file.tell() + 12, "pixel_length": length}


def _row(dataset: Dataset, pixels: np.ndarray) -> dict[str, Any]:
    slope = float(dataset.get("RescaleSlope", 1) or 1)
    intercept = float(dataset.get("RescaleIntercept", 0) or 0)
    return {
        "instance_uid": str(dataset.SOPInstanceUID),
        "patient_id": str(dataset.PatientID),
        "study_uid": str(dataset.StudyInstanceUID),
        "series_uid": str(dataset.SeriesInstanceUID),
        "instance_number": _number(dataset.get("InstanceNumber")),
        "sop_class_uid": str(dataset.SOPClassUID),
        "transfer_syntax_uid": str(ExplicitVRLittleEndian),
        "modality": str(dataset.get("Modality", "OT")),
        "rows": int(dataset.Rows),
        "columns": int(dataset.Columns),
        "samples": int(dataset.get("SamplesPerPixel", 1)),
        "bits_allocated": int(dataset.BitsAllocated),
        "bits_stored": int(dataset.BitsStored),
        "pixel_representation": int(dataset.PixelRepresentation),
        "photometric": str(dataset.PhotometricInterpretation),
        **_spacing(dataset),
        "slope": slope,
        "intercept": intercept,
        **_window(dataset, pixels, slope, intercept),
    }


def _number(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None  # Instance Number is a convenience; files that say "1A" are images all the same


def _spacing(dataset: Dataset) -> dict[str, Any]:
    # PS3.3 10.7.1.3: Pixel Spacing is calibrated to the patient where it differs from the
    # detector's; without it, the detector's own is the better of two approximations.
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        value = dataset.get(keyword)
        if value is not None and len(value) == 2 and min(map(float, value)) > 0:
            row, column = float(value[0]), float(value[1])
            return {"row_spacing": row, "column_spacing": column, "spacing_source": keyword}
    return {"row_spacing": None, "column_spacing": None, "spacing_source": None}


def _window(dataset: Dataset, pixels: np.ndarray, slope: float, intercept: float) -> dict[str, Any]:
    center, width = (_first(dataset.get(k)) for k in ("WindowCenter", "WindowWidth"))
    function = str(dataset.get("VOILUTFunction") or "LINEAR")
    if center is not None and width is not None and width > 0 and function in VOI_FUNCTIONS:
        return _window_row(center, width, "file", function)
    low, high = (float(v) * slope + intercept for v in np.percentile(pixels, [0.5, 99.5]))
    return _window_row((low + high) / 2, max(abs(high - low), 1.0), "percentiles", "LINEAR")


def _window_row(center: float, width: float, source: str, function: str) -> dict[str, Any]:
    return {
        "window_center": center,
        "window_width": width,
        "window_source": source,
        "voi_function": function,
    }


def _first(value: Any) -> float | None:
    if value is None or str(value) == "":
        return None
    return float(value[0]) if hasattr(value, "__getitem__") else float(value)
