"""Small DICOM objects for tests of headers, geometry and derived objects: made, not drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage

from dicom_synthetic.uids import derived_uid

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def image(name: str, pixels: NDArray[Any], **elements: Any) -> Dataset:
    """One image instance of a test patient; `elements` replace or add, None leaves one out."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = derived_uid("test", name)
    dataset.StudyInstanceUID = derived_uid("test", "study")
    dataset.SeriesInstanceUID = derived_uid("test", "series")
    dataset.PatientID, dataset.PatientName = "P1", "Test^One"
    dataset.StudyDate, dataset.StudyTime = "20260101", "120000"
    dataset.Modality = "CT"
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    bits = pixels.dtype.itemsize * 8
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    dataset["PixelData"].VR = "OB" if bits == 8 else "OW"
    for keyword, value in elements.items():
        if value is None:
            dataset.pop(keyword, None)
        else:
            setattr(dataset, keyword, value)
    return dataset


def slices(
    positions: Sequence[Sequence[float]],
    orientation: Sequence[float] = AXIAL,
    size: tuple[int, int] = (6, 8),
    **elements: Any,
) -> list[Dataset]:
    """A CT series, a slice a position (mm), numbered backwards so that numbers never help."""
    made = []
    for k, position in enumerate(positions):
        pixels = np.full(size, k, np.int16)
        given = {
            "FrameOfReferenceUID": derived_uid("test", "frame of reference"),
            "ImagePositionPatient": [float(v) for v in position],
            "ImageOrientationPatient": [float(v) for v in orientation],
            "PixelSpacing": [0.5, 0.7],
            "SliceThickness": 2.0,
            "InstanceNumber": len(positions) - k,
            "RescaleSlope": 1,
            "RescaleIntercept": -1024,
        }
        own = {
            key: value[k] if isinstance(value, list) else value for key, value in elements.items()
        }
        made.append(image(f"slice {k}", pixels, **given | own))
    return made


def cine(frames: int = 4, size: tuple[int, int] = (6, 9)) -> Dataset:
    """An ultrasound cine without any geometry."""
    pixels = np.arange(frames * size[0] * size[1], dtype=np.uint8).reshape(frames, *size)
    return image(
        "cine",
        pixels,
        SOPClassUID=UltrasoundMultiFrameImageStorage,
        Modality="US",
        NumberOfFrames=frames,
        FrameTime=40,
    )


def by_uid(datasets: Sequence[Dataset]) -> dict[str, Dataset]:
    """Headers by SOP Instance UID."""
    return {str(one.SOPInstanceUID): one for one in datasets}
