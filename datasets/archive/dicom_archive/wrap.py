"""PNG and JPEG pictures as DICOM objects, with the fields that a teacher supplies.

A radiograph whose pixel spacing and view are known becomes a Digital X-Ray image (PS3.3 A.26);
anything else a Secondary Capture (PS3.3 A.8), which claims nothing that nobody knows. No label is
written into the object: a network that reads headers would learn it there.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from PIL import Image, ImageOps
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.sr.codedict import codes
from pydicom.uid import (
    DigitalXRayImageStorageForPresentation,
    SecondaryCaptureImageStorage,
)

from dicom_archive.errors import BadImage
from dicom_synthetic.uids import derived_uid

# Patient Orientation (0020,0020) for each view: where columns and rows run to.
ORIENTATIONS = {"PA": ["L", "F"], "AP": ["L", "F"], "LL": ["A", "F"], "RL": ["P", "F"]}
MODALITIES = ("DX", "CR", "MG", "US", "ES", "GM", "SM", "XC", "OT")
LARGEST_PIXELS = 200_000_000


@dataclass(frozen=True)
class Fields:
    """What a teacher says of all pictures of an import."""

    modality: str
    body_part: str = ""
    view: str = ""
    laterality: str = "U"
    pixel_spacing: float | None = None


def wrap_picture(
    data: bytes, dataset_name: str, path: str, patient: str, fields: Fields
) -> Dataset:
    """The picture in `data` as an uncompressed DICOM object; BadImage where it cannot be read."""
    pixels = read_picture(data)
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    names = ("import", dataset_name)
    _patient_and_study(dataset, patient)
    dataset.StudyInstanceUID = derived_uid("study", *names, path)
    dataset.SeriesInstanceUID = derived_uid("series", *names, path)
    dataset.SOPInstanceUID = derived_uid("instance", *names, path, sha256(data).hexdigest())
    dataset.Modality = fields.modality
    if pixels.ndim == 2 and _is_radiograph(fields):
        _as_digital_x_ray(dataset, fields)
    else:
        _as_secondary_capture(dataset, fields)
    _pixels(dataset, pixels, fields)
    return dataset


def _is_radiograph(fields: Fields) -> bool:
    known = fields.pixel_spacing and fields.view and (not fields.body_part or _region(fields))
    return fields.modality == "DX" and bool(known)


def _region(fields: Fields) -> list[Dataset]:
    """The body part as a SNOMED code, empty where pydicom knows none."""
    code = getattr(codes.SCT, fields.body_part.title().replace(" ", ""), None)
    if code is None:
        return []
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator = code.value, code.scheme_designator
    item.CodeMeaning = code.meaning
    return [item]


def read_picture(data: bytes) -> np.ndarray:
    """Grey (h, w) uint8 or uint16, or colour (h, w, 3) uint8, of a PNG or JPEG file."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as opened:
            if opened.width * opened.height > LARGEST_PIXELS:
                raise BadImage(f"it has {opened.width} x {opened.height} pixels, which is too many")
            picture = ImageOps.exif_transpose(opened)
            if picture.mode.startswith("I"):
                return _sixteen_bit(np.asarray(picture))
            grey = picture.mode in ("L", "1", "LA")
            return np.asarray(picture.convert("L" if grey else "RGB"))
    except BadImage:
        raise
    # Pillow raises OSError, ValueError, SyntaxError, struct.error and more on broken files.
    except Exception as error:
        raise BadImage(f"it is no readable picture ({error})") from error


def _sixteen_bit(values: np.ndarray) -> np.ndarray:
    if values.min() < 0 or values.max() > 0xFFFF:
        raise BadImage("its values do not fit into 16 bits")
    return values.astype(np.uint16)


def _patient_and_study(dataset: Dataset, patient: str) -> None:
    pseudonym = patient if len(patient) <= 64 else derived_uid("patient", patient)
    dataset.PatientName = pseudonym
    dataset.PatientID = pseudonym
    dataset.PatientBirthDate = dataset.PatientSex = ""
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "Declared de-identified at import"
    dataset.StudyDate = dataset.StudyTime = ""
    dataset.ReferringPhysicianName = dataset.StudyID = dataset.AccessionNumber = ""
    dataset.SeriesNumber = dataset.InstanceNumber = 1
    dataset.Manufacturer = ""


def _as_digital_x_ray(dataset: Dataset, fields: Fields) -> None:
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.ImageType = ["DERIVED", "PRIMARY", ""]
    dataset.ContentDate = dataset.ContentTime = ""
    dataset.BodyPartExamined = fields.body_part
    dataset.ViewPosition = fields.view
    dataset.PatientOrientation = ORIENTATIONS[fields.view]
    dataset.ImageLaterality = fields.laterality
    dataset.AnatomicRegionSequence = Sequence(_region(fields))
    dataset.AcquisitionContextSequence = Sequence([])
    dataset.PositionerType = dataset.DetectorType = ""
    dataset.PixelIntensityRelationship = "LOG"
    dataset.PixelIntensityRelationshipSign = -1
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "US"
    dataset.PresentationLUTShape = "IDENTITY"
    dataset.LossyImageCompression = "00"
    dataset.BurnedInAnnotation = "NO"
    dataset.ImagerPixelSpacing = [f"{fields.pixel_spacing:g}"] * 2


def _as_secondary_capture(dataset: Dataset, fields: Fields) -> None:
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.ConversionType = "DI"
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.ContentDate = dataset.ContentTime = ""
    dataset.PatientOrientation = ""
    dataset.BodyPartExamined = fields.body_part
    dataset.Laterality = fields.laterality if fields.laterality in ("L", "R") else ""
    if fields.view:
        dataset.SeriesDescription = f"View {fields.view}"


def _pixels(dataset: Dataset, pixels: np.ndarray, fields: Fields) -> None:
    bits = pixels.dtype.itemsize * 8
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.PixelRepresentation = 0
    colour = pixels.ndim == 3
    dataset.SamplesPerPixel = 3 if colour else 1
    dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        dataset.PlanarConfiguration = 0
    elif bits == 8 or "PresentationIntentType" in dataset:
        dataset.WindowCenter, dataset.WindowWidth = str(2 ** (bits - 1)), str(2**bits)
    if fields.pixel_spacing and "ImagerPixelSpacing" not in dataset:
        dataset.PixelSpacing = [f"{fields.pixel_spacing:g}"] * 2
    data: Any = np.ascontiguousarray(pixels.astype(f"<u{bits // 8}")).tobytes()
    dataset.PixelData = data + b"\x00" * (len(data) % 2)
    dataset["PixelData"].VR = "OB" if bits == 8 else "OW"
