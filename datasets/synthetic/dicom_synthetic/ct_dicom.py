"""A slice of a CT series as a DICOM object: CT Image Storage (PS3.3 A.3).

The label is not in the object; it is in the index of the published version.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import CTImageStorage

from dicom_synthetic.chest_grid import AXES, PIXEL_MM, SLICE_MM, Z
from dicom_synthetic.objects import Subject, code, encode, items, new_object
from dicom_synthetic.uids import derived_uid

KERNELS = ("SOFT", "SHARP")


def ct_dicom(subject: Subject, hu: NDArray[np.int16], place: int, kernel: str) -> bytes:
    """The axial slice number `place` (rows, columns), -1024 to 3071 HU, as a DICOM file."""
    found = new_object(subject, CTImageStorage, "CT", "chest CT")
    found.SeriesDescription = f"SYNTHETIC chest {kernel.lower()} kernel"
    found.ProtocolName = "SYNTHETIC chest"
    found.ImageType = ["DERIVED", "PRIMARY", "AXIAL"]
    found.DerivationDescription = "SYNTHETIC: computed densities of a computed chest"
    found.BodyPartExamined = "CHEST"
    found.AnatomicRegionSequence = items(code("43799004", "SCT", "Chest"))
    found.PatientPosition = "HFS"
    names = (subject.dataset, subject.seed, subject.patient, subject.study)
    found.FrameOfReferenceUID = derived_uid("frame", *names)
    found.PositionReferenceIndicator = ""
    found.AcquisitionNumber = 1
    found.ScanOptions, found.KVP = "HELICAL", "120"
    found.ConvolutionKernel = kernel
    found.SliceThickness = found.SpacingBetweenSlices = f"{SLICE_MM:g}"
    corner = float(AXES[0][0, 0, 0])
    found.ImagePositionPatient = [f"{corner:g}", f"{corner:g}", f"{float(Z[place]):g}"]
    found.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    found.SliceLocation = f"{float(Z[place]):g}"
    found.PixelSpacing = [f"{PIXEL_MM:g}"] * 2
    found.SamplesPerPixel, found.PhotometricInterpretation = 1, "MONOCHROME2"
    found.Rows, found.Columns = hu.shape
    found.BitsAllocated, found.BitsStored, found.HighBit = 16, 12, 11
    found.PixelRepresentation = 0
    found.RescaleIntercept, found.RescaleSlope, found.RescaleType = "-1024", "1", "HU"
    found.WindowCenter, found.WindowWidth = "-600", "1500"
    found.PixelData = (hu.astype(np.int32) + 1024).astype("<u2").tobytes()
    return encode(found)
