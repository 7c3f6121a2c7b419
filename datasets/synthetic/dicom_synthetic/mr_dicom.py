"""A slice of an MR series as a DICOM object: MR Image Storage (PS3.3 A.4).

The label is not in the object; it is in the index of the published version.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import MRImageStorage

from dicom_synthetic.brain_signal import Sequence
from dicom_synthetic.objects import Subject, code, encode, items, new_object
from dicom_synthetic.uids import derived_uid


def mr_dicom(
    subject: Subject,
    sequence: Sequence,
    pixels: NDArray[np.uint16],
    position: tuple[float, float, float],
    pixel_mm: float,
    slice_mm: float,
) -> bytes:
    """One axial slice (rows, columns), 12 bit, as a DICOM file; `position` is LPS in mm."""
    found = new_object(subject, MRImageStorage, "MR", "brain MR")
    found.SeriesDescription = f"SYNTHETIC {sequence.name} axial"
    found.ProtocolName = f"SYNTHETIC {sequence.name}"
    found.ImageType = ["DERIVED", "PRIMARY", "OTHER"]
    found.DerivationDescription = "SYNTHETIC: computed signal of a computed head"
    found.BodyPartExamined = "BRAIN"
    found.AnatomicRegionSequence = items(code("12738006", "SCT", "Brain"))
    found.PatientPosition = "HFS"
    names = (subject.dataset, subject.seed, subject.patient, subject.study)
    found.FrameOfReferenceUID = derived_uid("frame", *names)
    found.PositionReferenceIndicator = ""
    inverted = sequence.inversion > 0
    found.ScanningSequence = "IR" if inverted else "SE"
    found.SequenceVariant, found.ScanOptions, found.MRAcquisitionType = "SK", "", "2D"
    found.RepetitionTime, found.EchoTime = f"{sequence.repetition:g}", f"{sequence.echo:g}"
    found.EchoTrainLength = 1
    if inverted:
        found.InversionTime = f"{sequence.inversion:g}"
    found.MagneticFieldStrength = "1.5"
    found.SliceThickness = found.SpacingBetweenSlices = f"{slice_mm:g}"
    found.ImagePositionPatient = [f"{value:g}" for value in position]
    found.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    found.SliceLocation = f"{position[2]:g}"
    found.PixelSpacing = [f"{pixel_mm:g}"] * 2
    found.SamplesPerPixel, found.PhotometricInterpretation = 1, "MONOCHROME2"
    found.Rows, found.Columns = pixels.shape
    found.BitsAllocated, found.BitsStored, found.HighBit = 16, 12, 11
    found.PixelRepresentation = 0
    found.WindowCenter, found.WindowWidth = "600", "1200"
    found.PixelData = pixels.astype("<u2").tobytes()
    return encode(found)
