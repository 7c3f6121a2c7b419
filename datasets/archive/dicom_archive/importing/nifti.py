"""NIfTI volumes as DICOM slices, affine and stored values kept.

A NIfTI affine takes (i, j, k) to millimetres in RAS; DICOM speaks LPS, columns are i and rows are j
(PS3.3 C.7.6.2.1.1). Integers of up to 16 bits stay as they are, with slope and intercept beside
them; other values are put on 65,536 steps, and the largest error is said in the series description.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, MRImageStorage, SecondaryCaptureImageStorage

from dicom_archive.errors import BadImage
from dicom_archive.wrap import Fields, patient_and_study
from dicom_synthetic.uids import derived_uid

LARGEST_VOXELS = 600_000_000
LARGEST_BYTES = 4 * 2**30
_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_SQUARE = 1e-4  # cosine between columns and rows up to which they count as square


@dataclass(frozen=True)
class Volume:
    """A volume as stored: `values` (k, j, i) integers, `affine` (i, j, k) -> mm in LPS."""

    values: NDArray[Any]
    affine: NDArray[np.float64]
    slope: float
    intercept: float
    note: str = ""


def read_volume(data: bytes) -> list[Volume]:
    """The volumes of a NIfTI file, one a time point; BadImage where it cannot be taken."""
    image = _opened(data)
    shape = image.shape
    if len(shape) < 2 or any(size != 1 for size in shape[4:]):
        raise BadImage(f"it has {len(shape)} dimensions; 2 to 4 are taken")
    if np.prod(shape, dtype=float) > LARGEST_VOXELS:
        raise BadImage(f"it has {' x '.join(map(str, shape))} voxels, which is too many")
    affine = _LPS @ np.asarray(image.affine, float)
    _check(affine)
    try:
        stored = np.asanyarray(image.dataobj.get_unscaled())
    except (OSError, EOFError, ValueError, gzip.BadGzipFile) as error:
        raise BadImage(f"its voxels cannot be read ({error})") from error
    slope, intercept = (float(one) for one in (image.dataobj.slope, image.dataobj.inter))
    stored = stored.reshape((*shape[:3], *[1] * (3 - len(shape[:3])), -1))
    values, slope, intercept, note = _sixteen_bits(stored, slope, intercept)
    return [
        Volume(np.ascontiguousarray(values[..., time].T), affine, slope, intercept, note)
        for time in range(values.shape[3])
    ]


def _opened(data: bytes) -> Any:
    image: Any
    try:
        if data[:2] == b"\x1f\x8b":
            data = _unzipped(data)
        kind = nibabel.Nifti2Image if data[4:8] == b"n+2\x00" else nibabel.Nifti1Image
        image = kind.from_bytes(data)
    except BadImage:
        raise
    # nibabel raises ImageFileError, HeaderDataError, struct.error and more on broken files.
    except Exception as error:
        raise BadImage(f"it is no readable NIfTI volume ({error})") from error
    voxels = np.dtype(image.header.get_data_dtype())
    if voxels.fields is not None or voxels.kind == "c":
        raise BadImage(f"its voxels are {voxels}; real numbers are taken")
    return image


def _unzipped(data: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
        found = file.read(LARGEST_BYTES + 1)
    if len(found) > LARGEST_BYTES:
        raise BadImage(f"it would unpack to more than {LARGEST_BYTES >> 20} MiB")
    return found


def _check(affine: NDArray[np.float64]) -> None:
    steps = affine[:3, :3]
    lengths = np.linalg.norm(steps, axis=0)
    if not np.isfinite(affine).all() or lengths.min() < 1e-6:
        raise BadImage("its affine is no grid")
    if abs(steps[:, 0] @ steps[:, 1]) / (lengths[0] * lengths[1]) > _SQUARE:
        raise BadImage("the rows and columns of its affine are not square, which DICOM cannot say")


def _sixteen_bits(
    stored: NDArray[Any], slope: float, intercept: float
) -> tuple[NDArray[Any], float, float, str]:
    if not np.isfinite(stored).all():
        raise BadImage("it has voxels that are no number (NaN or infinite)")
    low, high = float(stored.min()), float(stored.max())
    whole = stored.dtype.kind in "iu" or bool((stored == np.rint(stored)).all())
    if whole and low >= 0 and high <= 0xFFFF:
        return stored.astype(np.uint16), slope, intercept, ""
    if whole and low >= -0x8000 and high <= 0x7FFF:
        return stored.astype(np.int16), slope, intercept, ""
    step = (high - low) / 0xFFFF or 1.0
    kept = np.rint((stored.astype(np.float64) - low) / step).astype(np.uint16)
    note = f"16 bits of {stored.dtype}: largest error {abs(step * slope) / 2:.3g}"
    return kept, step * slope, low * slope + intercept, note


def wrap_volume(
    data: bytes, dataset_name: str, path: str, patient: str, fields: Fields
) -> list[list[Dataset]]:
    """The slices of a NIfTI file as uncompressed DICOM objects, a list for each time point."""
    return [
        _slices(volume, dataset_name, path, patient, fields, time)
        for time, volume in enumerate(read_volume(data))
    ]


def _slices(
    volume: Volume, name: str, path: str, patient: str, fields: Fields, time: int
) -> list[Dataset]:
    made = []
    # Volumes of one patient on one grid lie over one another: NIfTI has no other word for it.
    grid = (volume.values.shape, np.round(volume.affine, 3).tolist())
    for place in range(len(volume.values)):
        dataset = Dataset()
        dataset.SpecificCharacterSet = "ISO_IR 192"
        patient_and_study(dataset, patient)
        dataset.StudyInstanceUID = derived_uid("study", "import", name, patient)
        dataset.SeriesInstanceUID = derived_uid("series", "import", name, path, time)
        dataset.SOPInstanceUID = derived_uid("instance", "import", name, path, time, place)
        dataset.FrameOfReferenceUID = derived_uid("frame", "import", name, patient, *grid)
        dataset.InstanceNumber = place + 1
        dataset.SeriesNumber = time + 1
        dataset.PositionReferenceIndicator = ""
        dataset.BodyPartExamined = fields.body_part
        dataset.Laterality = dataset.PatientPosition = dataset.PatientOrientation = ""
        if volume.note:
            dataset.SeriesDescription = volume.note[:64]
        _kind(dataset, fields.modality)
        _geometry(dataset, volume.affine, place)
        _pixels(dataset, volume, place)
        made.append(dataset)
    return made


def _kind(dataset: Dataset, modality: str) -> None:
    dataset.Modality = modality
    dataset.ImageType = ["DERIVED", "PRIMARY"]
    if modality == "CT":
        dataset.SOPClassUID = CTImageStorage
        dataset.ImageType = ["DERIVED", "PRIMARY", "AXIAL"]
        dataset.KVP = dataset.AcquisitionNumber = ""
    elif modality == "MR":
        dataset.SOPClassUID = MRImageStorage
        dataset.ImageType = ["DERIVED", "PRIMARY", "OTHER"]
        # RM (research mode) claims no sequence; NIfTI tells none (PS3.3 C.8.3.1.1.1).
        dataset.ScanningSequence, dataset.SequenceVariant = "RM", "NONE"
        dataset.ScanOptions = dataset.MRAcquisitionType = ""
        dataset.RepetitionTime = dataset.EchoTime = dataset.EchoTrainLength = ""
    else:
        dataset.SOPClassUID = SecondaryCaptureImageStorage
        dataset.ConversionType = "WSD"
    dataset.ContentDate = dataset.ContentTime = ""


def _geometry(dataset: Dataset, affine: NDArray[np.float64], place: int) -> None:
    steps = affine[:3, :3]
    lengths = np.linalg.norm(steps, axis=0)
    across, down = steps[:, 0] / lengths[0], steps[:, 1] / lengths[1]
    position = affine[:3, 3] + place * steps[:, 2]
    dataset.PixelSpacing = [decimal(lengths[1]), decimal(lengths[0])]
    dataset.ImageOrientationPatient = [decimal(one) for one in (*across, *down)]
    dataset.ImagePositionPatient = [decimal(one) for one in position]
    dataset.SliceThickness = decimal(abs(float(np.cross(across, down) @ steps[:, 2])))


def decimal(value: float) -> str:
    """The number in the 16 characters of a DS (PS3.5 6.2), as exactly as they allow."""
    value = float(value) + 0.0  # -0.0 becomes 0.0
    for digits in range(16, 0, -1):
        text = f"{value:.{digits}g}"
        if len(text) <= 16:
            return text
    raise ValueError(f"{value} has no decimal of 16 characters")


def _pixels(dataset: Dataset, volume: Volume, place: int) -> None:
    values = volume.values[place]
    signed = values.dtype == np.int16
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = values.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = int(signed)
    dataset.RescaleSlope = decimal(volume.slope)
    dataset.RescaleIntercept = decimal(volume.intercept)
    dataset.RescaleType = "HU" if dataset.Modality == "CT" else "US"
    dataset.PixelData = np.ascontiguousarray(values.astype("<i2" if signed else "<u2")).tobytes()
    dataset["PixelData"].VR = "OW"


def read_volume_mask(data: bytes, affine: NDArray[np.float64], shape: Sequence[int]) -> Any:
    """A NIfTI mask on the grid of its image: (k, j, i) integers; BadImage where grids differ."""
    volumes = read_volume(data)
    mask = volumes[0]
    if len(volumes) != 1 or mask.values.shape != tuple(shape):
        raise BadImage(f"its mask has the shape {mask.values.shape}, the image {tuple(shape)}")
    if np.abs(mask.affine - affine).max() > 1e-2:
        raise BadImage("its mask lies elsewhere: the affines differ")
    if mask.note or (mask.slope, mask.intercept) != (1.0, 0.0):
        values = mask.values * mask.slope + mask.intercept
        if mask.note or (values != np.rint(values)).any():
            raise BadImage("its mask holds numbers that are not whole")
        return np.rint(values).astype(np.int64)
    return mask.values
