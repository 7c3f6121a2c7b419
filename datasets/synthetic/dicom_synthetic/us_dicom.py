"""A breast ultrasound picture as a DICOM object: Ultrasound Image Storage (PS3.3 A.6).

How large a pixel is stands in the region (PS3.3 C.8.5.5): an ultrasound picture has more on it than
tissue. The label is not in the object; it is in the index of the published version.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import UltrasoundImageStorage

from dicom_synthetic.objects import Subject, code, encode, items, new_object

FIELD_TOP, FIELD_LEFT = 16, 20
ROWS, COLUMNS = 432, 440


def on_screen(field: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The scanner's screen (ROWS, COLUMNS) with the picture of the tissue and the grey scale."""
    screen = np.zeros((ROWS, COLUMNS), dtype=np.uint8)
    down, right = field.shape
    screen[FIELD_TOP : FIELD_TOP + down, FIELD_LEFT : FIELD_LEFT + right] = field
    bar = np.linspace(255, 0, down // 2).astype(np.uint8)[:, None]
    screen[FIELD_TOP : FIELD_TOP + len(bar), COLUMNS - 18 : COLUMNS - 10] = bar
    for centimetre in range(0, down + 1, 100):
        row = min(FIELD_TOP + centimetre, ROWS - 1)
        screen[row, FIELD_LEFT - 10 : FIELD_LEFT - 3] = 190
    return screen


def us_dicom(subject: Subject, screen: NDArray[np.uint8], pixel_mm: float, looks: int) -> bytes:
    """The screen (rows, columns) as a DICOM file, 8 bit."""
    found = new_object(subject, UltrasoundImageStorage, "US", "breast ultrasound")
    found.ImageType = ["DERIVED", "PRIMARY", "BREAST", "0001"]
    found.DerivationDescription = "SYNTHETIC: computed echoes of a computed breast"
    found.BodyPartExamined = "BREAST"
    found.Laterality = "R" if subject.patient % 2 else "L"
    found.PatientOrientation = ""
    found.AnatomicRegionSequence = items(code("76752008", "SCT", "Breast"))
    found.TransducerType = "LINEAR"
    found.UltrasoundColorDataPresent = 0
    found.NumberOfStages = found.NumberOfViewsInStage = 1
    found.StageNumber = found.ViewNumber = 1
    found.SequenceOfUltrasoundRegions = items(_region(pixel_mm))
    found.ProcessingFunction = f"SYNTHETIC, {looks} looks"
    _pixels(found, screen)
    return encode(found)


def _region(pixel_mm: float) -> Dataset:
    region = Dataset()
    region.RegionSpatialFormat = region.RegionDataType = 1  # two-dimensional, tissue
    region.RegionFlags = 0
    region.RegionLocationMinX0, region.RegionLocationMinY0 = FIELD_LEFT, FIELD_TOP
    region.RegionLocationMaxX1 = FIELD_LEFT + 383
    region.RegionLocationMaxY1 = FIELD_TOP + 399
    region.ReferencePixelX0 = region.ReferencePixelY0 = 0
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3  # centimetres
    region.ReferencePixelPhysicalValueX = region.ReferencePixelPhysicalValueY = 0.0
    region.PhysicalDeltaX = region.PhysicalDeltaY = pixel_mm / 10
    region.TransducerFrequency = 10000  # kHz
    return region


def _pixels(found: Dataset, screen: NDArray[np.uint8]) -> None:
    found.SamplesPerPixel, found.PhotometricInterpretation = 1, "MONOCHROME2"
    found.Rows, found.Columns = screen.shape
    found.BitsAllocated = found.BitsStored = 8
    found.HighBit, found.PixelRepresentation = 7, 0
    found.WindowCenter, found.WindowWidth = "128", "256"
    found.PixelData = screen.tobytes()
