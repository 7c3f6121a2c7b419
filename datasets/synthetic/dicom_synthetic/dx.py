"""A film as a DICOM object: Digital X-Ray Image Storage - For Presentation (PS3.3 A.26).

Every text that a person may see says SYNTHETIC. The label is not in the object: it would teach a
network that reads headers; it is in the index of the published version.
"""

from __future__ import annotations

from datetime import date, timedelta

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import DigitalXRayImageStorageForPresentation

from dicom_synthetic.chest_film import NAME, Film, Plan
from dicom_synthetic.detector import BITS, WHITE
from dicom_synthetic.objects import code, encode
from dicom_synthetic.uids import derived_uid

_FIRST_DAY = date(2020, 1, 6)


def film_dicom(film: Film) -> bytes:
    """The film as a DICOM file: Explicit VR Little Endian, 16 bits allocated, 12 stored."""
    plan = film.plan
    names = (NAME, plan.seed, plan.patient)
    dataset = Dataset()
    _patient_and_study(dataset, film)
    dataset.StudyInstanceUID = derived_uid("study", *names, plan.film)
    dataset.SeriesInstanceUID = derived_uid("series", *names, plan.film)
    dataset.SOPInstanceUID = film_uid(plan)
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    _acquisition(dataset, film)
    _pixels(dataset, film)
    return encode(dataset)


def film_uid(plan: Plan) -> str:
    """The SOP Instance UID of the film of a plan."""
    return derived_uid("instance", NAME, plan.seed, plan.patient, plan.film)


def patient_id(patient: int) -> str:
    """The Patient ID of the patient with this number in the cohort."""
    return f"SYN{patient + 1:04d}"


def _patient_and_study(dataset: Dataset, film: Film) -> None:
    plan = film.plan
    day = (_FIRST_DAY + timedelta(days=plan.patient % 180 + 190 * plan.film)).strftime("%Y%m%d")
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = f"SYNTHETIC^{patient_id(plan.patient)}"
    dataset.PatientID = patient_id(plan.patient)
    dataset.PatientBirthDate = ""
    dataset.PatientSex = film.sex
    dataset.PatientAge = f"{film.age:03d}Y"
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = day
    dataset.StudyTime = dataset.ContentTime = "120000"
    dataset.StudyID = str(plan.film + 1)
    dataset.AccessionNumber = ""
    dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = "SYNTHETIC chest film, PA"
    dataset.SeriesDescription = "SYNTHETIC"
    dataset.SeriesNumber = 1
    dataset.InstanceNumber = 1


def _acquisition(dataset: Dataset, film: Film) -> None:
    dataset.Modality = "DX"
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.Manufacturer = "RadLab"
    dataset.ManufacturerModelName = "dicom_synthetic"
    dataset.ImageType = ["DERIVED", "PRIMARY", ""]
    dataset.ImageComments = "SYNTHETIC: computed, shows no person"
    dataset.DerivationDescription = "SYNTHETIC: projection of a computed chest"
    dataset.BodyPartExamined = "CHEST"
    dataset.ViewPosition = "PA"
    dataset.PositionerType = "NONE"
    dataset.PatientOrientation = ["L", "F"]
    dataset.ImageLaterality = "U"
    dataset.AnatomicRegionSequence = Sequence([code("816094009", "SCT", "Chest")])
    view = code("399348003", "SCT", "postero-anterior")
    view.ViewModifierCodeSequence = Sequence([])
    dataset.ViewCodeSequence = Sequence([view])
    dataset.AcquisitionContextSequence = Sequence([])
    dataset.KVP = "120"
    dataset.DistanceSourceToDetector = "1800"
    dataset.DetectorType = "DIRECT"
    dataset.BurnedInAnnotation = "NO"


def _pixels(dataset: Dataset, film: Film) -> None:
    rows, columns = film.pixels.shape
    inverse = film.photometric == "MONOCHROME1"
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = film.photometric
    dataset.Rows, dataset.Columns = rows, columns
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, BITS, BITS - 1
    dataset.PixelRepresentation = 0
    dataset.PixelIntensityRelationship = "LOG"
    # PS3.3 C.8.11.3.1.2: -1 where higher values mean less X-ray intensity, 1 where lower ones do.
    dataset.PixelIntensityRelationshipSign = 1 if inverse else -1
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "US"
    dataset.PresentationLUTShape = "INVERSE" if inverse else "IDENTITY"
    dataset.LossyImageCompression = "00"
    dataset.WindowCenter, dataset.WindowWidth = str((WHITE + 1) // 2), str(WHITE + 1)
    dataset.ImagerPixelSpacing = [f"{film.spacing_mm:g}"] * 2
    dataset.EstimatedRadiographicMagnificationFactor = f"{film.magnification:.6f}"
    dataset.PixelSpacing = [f"{film.spacing_mm / film.magnification:.6f}"] * 2
    dataset.PixelSpacingCalibrationType = "GEOMETRY"
    dataset.PixelSpacingCalibrationDescription = "At the patient's middle"
    dataset.PixelData = film.pixels.astype("<u2").tobytes()
