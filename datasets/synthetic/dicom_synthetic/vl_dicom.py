"""Colour photographs as DICOM objects: VL Endoscopic (PS3.3 A.32.1), VL Microscopic (A.32.2).

The label is not in the object; it is in the index of the published version.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import VLEndoscopicImageStorage, VLMicroscopicImageStorage

from dicom_synthetic.objects import Subject, code, encode, items, new_object
from dicom_synthetic.uids import derived_uid

Rgb = NDArray[np.uint8]  # (rows, columns, 3)


def endoscopic_dicom(subject: Subject, pixels: Rgb) -> bytes:
    """A frame of a colonoscopy as a DICOM file."""
    found = new_object(subject, VLEndoscopicImageStorage, "ES", "colonoscopy")
    found.DerivationDescription = "SYNTHETIC: computed light on a computed colon"
    found.BodyPartExamined = "COLON"
    found.AnatomicRegionSequence = items(code("71854001", "SCT", "Colon"))
    _pixels(found, pixels)
    return encode(found)


def microscopic_dicom(subject: Subject, pixels: Rgb, pixel_mm: float, scanner: str) -> bytes:
    """A tile of a stained slide as a DICOM file; `pixel_mm` is what a pixel covers of the tissue.

    Pixel Spacing is not in the VL Image module; it is given as an attribute of a Standard Extended
    SOP Class (PS3.4 B.4), because without it nobody could measure a nucleus.
    """
    found = new_object(subject, VLMicroscopicImageStorage, "GM", "tissue, hematoxylin and eosin")
    found.DerivationDescription = "SYNTHETIC: computed stain in computed tissue"
    found.ManufacturerModelName = f"dicom_synthetic {scanner}"
    found.AnatomicRegionSequence = items(code("71854001", "SCT", "Colon"))
    found.PixelSpacing = [f"{pixel_mm:g}"] * 2
    _specimen(found, subject)
    _pixels(found, pixels)
    return encode(found)


def _specimen(found: Dataset, subject: Subject) -> None:
    """PS3.3 C.7.6.22: which glass slide, which piece of tissue, how it was stained."""
    found.ContainerIdentifier = f"SYNTHETIC-{subject.patient_id}"
    found.IssuerOfTheContainerIdentifierSequence = items()
    found.ContainerTypeCodeSequence = items(code("433466003", "SCT", "Microscope slide"))
    piece = Dataset()
    piece.SpecimenIdentifier = f"SYNTHETIC-{subject.patient_id}-1"
    piece.SpecimenUID = derived_uid("specimen", subject.study_uid)
    piece.IssuerOfTheSpecimenIdentifierSequence = items()
    piece.SpecimenShortDescription = "SYNTHETIC"
    piece.SpecimenPreparationSequence = items()
    found.SpecimenDescriptionSequence = items(piece)


def _pixels(found: Dataset, pixels: Rgb) -> None:
    rows, columns, samples = pixels.shape
    found.ImageType = ["DERIVED", "PRIMARY"]
    found.AcquisitionContextSequence = items()
    found.PatientOrientation = ""
    found.SamplesPerPixel, found.PhotometricInterpretation = samples, "RGB"
    found.PlanarConfiguration = 0
    found.Rows, found.Columns = rows, columns
    found.BitsAllocated = found.BitsStored = 8
    found.HighBit, found.PixelRepresentation = 7, 0
    found.PixelData = pixels.tobytes()
