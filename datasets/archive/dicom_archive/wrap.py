"""PNG and JPEG pictures as DICOM objects, with the fields that a teacher supplies.

A radiograph whose pixel spacing and view are known becomes a Digital X-Ray image (PS3.3 A.26),
ultrasound an Ultrasound Image (A.6), endoscopy, microscopy and photographs of skin or wounds the
Visible Light images that are theirs (A.32); anything else a Secondary Capture (A.8), which claims
nothing that nobody knows. No label is written into the object: a network that reads headers would
learn it there.
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
    UltrasoundImageStorage,
    VLEndoscopicImageStorage,
    VLMicroscopicImageStorage,
    VLPhotographicImageStorage,
)

from dicom_archive.errors import BadImage
from dicom_synthetic.uids import derived_uid

# Patient Orientation (0020,0020) for each view: where columns and rows run to.
ORIENTATIONS = {"PA": ["L", "F"], "AP": ["L", "F"], "LL": ["A", "F"], "RL": ["P", "F"]}
MODALITIES = ("DX", "CR", "MG", "US", "ES", "GM", "SM", "XC", "CT", "MR", "OT")
# Of 8-bit pictures; `XC` is external-camera photography: skin, wounds, the eye's outside.
_OWN_CLASSES = {
    "US": UltrasoundImageStorage,
    "ES": VLEndoscopicImageStorage,
    "GM": VLMicroscopicImageStorage,
    "XC": VLPhotographicImageStorage,
}
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
    lossy = data.startswith(b"\xff\xd8\xff")
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    names = ("import", dataset_name)
    patient_and_study(dataset, patient)
    dataset.StudyInstanceUID = derived_uid("study", *names, path)
    dataset.SeriesInstanceUID = derived_uid("series", *names, path)
    dataset.SOPInstanceUID = derived_uid("instance", *names, path, sha256(data).hexdigest())
    dataset.Modality = fields.modality
    if pixels.ndim == 2 and _is_radiograph(fields):
        _as_digital_x_ray(dataset, fields)
    elif fields.modality in _OWN_CLASSES and pixels.dtype == np.uint8:
        _as_own_class(dataset, fields)
    else:
        _as_secondary_capture(dataset, fields)
    _pixels(dataset, pixels, fields)
    if lossy:
        # PS3.3 C.7.6.1.1.5: once lossy, an image says so for good, however it is stored.
        dataset.LossyImageCompression = "01"
        dataset.LossyImageCompressionRatio = f"{max(pixels.nbytes / len(data), 1):.2f}"
        dataset.LossyImageCompressionMethod = "ISO_10918_1"
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


def patient_and_study(dataset: Dataset, patient: str) -> None:
    """What every wrapped object says of its patient and study: a pseudonym, and nothing more."""
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


def _as_own_class(dataset: Dataset, fields: Fields) -> None:
    dataset.SOPClassUID = _OWN_CLASSES[fields.modality]
    dataset.ImageType = ["DERIVED", "PRIMARY", "", "0001"]  # 0001: 2D imaging (C.8.5.6.1.1)
    if fields.modality != "US":
        dataset.ImageType = ["DERIVED", "PRIMARY"]
        dataset.AcquisitionContextSequence = Sequence([])
    if fields.modality == "US" and fields.pixel_spacing:
        # Where ultrasound keeps its calibration (C.8.5.5); the whole picture is one region.
        dataset.SequenceOfUltrasoundRegions = Sequence([_region_of(fields.pixel_spacing)])
    dataset.PatientOrientation = ""
    dataset.BodyPartExamined = fields.body_part
    dataset.Laterality = fields.laterality if fields.laterality in ("L", "R") else ""
    dataset.LossyImageCompression = "00"
    if fields.view:
        dataset.SeriesDescription = f"View {fields.view}"


def _region_of(millimetres: float) -> Dataset:
    region = Dataset()
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 0
    region.RegionLocationMinX0 = region.RegionLocationMinY0 = 0
    region.RegionLocationMaxX1 = region.RegionLocationMaxY1 = 0  # set with the pixels
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3  # centimetres
    region.PhysicalDeltaX = region.PhysicalDeltaY = millimetres / 10
    return region


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
    for region in dataset.get("SequenceOfUltrasoundRegions", ()):
        region.RegionLocationMaxX1, region.RegionLocationMaxY1 = (
            pixels.shape[1] - 1,
            pixels.shape[0] - 1,
        )
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
