"""What all synthetic DICOM objects share: who, when, the mark SYNTHETIC, and how a file is written.

Each kind of image (`dx.py`, `us_dicom.py`, `vl_dicom.py`) adds its own modules of PS3.3.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import date, timedelta

from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian

from dicom_synthetic.uids import derived_uid

IMPLEMENTATION_UID = derived_uid("radlab", "dicom_synthetic")
_FIRST_DAY = date(2020, 1, 6)


@dataclass(frozen=True)
class Subject:
    """Whom and which image: `study`, `series` and `image` count from 0 within their parent."""

    dataset: str
    seed: int
    patient: int
    sex: str
    age: int
    study: int = 0
    series: int = 0
    image: int = 0

    @property
    def patient_id(self) -> str:
        """The Patient ID: the patient's number in the cohort, from 1."""
        return f"SYN{self.patient + 1:04d}"

    @property
    def study_uid(self) -> str:
        """The Study Instance UID."""
        return derived_uid("study", self.dataset, self.seed, self.patient, self.study)

    @property
    def instance_uid(self) -> str:
        """The SOP Instance UID, which depends on nothing but these numbers."""
        names = (self.dataset, self.seed, self.patient, self.study, self.series, self.image)
        return derived_uid("instance", *names)


def new_object(subject: Subject, sop_class: str, modality: str, study_text: str) -> Dataset:
    """A data set with the modules Patient, General Study, General Series, General Equipment,
    SOP Common and the texts of General Image; `study_text` follows the word SYNTHETIC."""
    found = Dataset()
    names = (subject.dataset, subject.seed, subject.patient, subject.study)
    day = _FIRST_DAY + timedelta(days=subject.patient % 180 + 190 * subject.study)
    found.SpecificCharacterSet = "ISO_IR 192"
    found.SOPClassUID, found.SOPInstanceUID = sop_class, subject.instance_uid
    found.StudyInstanceUID = subject.study_uid
    found.SeriesInstanceUID = derived_uid("series", *names, subject.series)
    found.PatientName = f"SYNTHETIC^{subject.patient_id}"
    found.PatientID = subject.patient_id
    found.PatientBirthDate, found.PatientSex = "", subject.sex
    found.PatientAge = f"{subject.age:03d}Y"
    found.StudyDate = found.SeriesDate = found.ContentDate = day.strftime("%Y%m%d")
    found.StudyTime = found.SeriesTime = found.ContentTime = "120000"
    found.AcquisitionDateTime = day.strftime("%Y%m%d") + "120000"
    found.StudyID = str(subject.study + 1)
    found.AccessionNumber = found.ReferringPhysicianName = ""
    found.StudyDescription = f"SYNTHETIC {study_text}"
    found.SeriesDescription = "SYNTHETIC"
    found.SeriesNumber, found.InstanceNumber = subject.series + 1, subject.image + 1
    found.Modality = modality
    found.Manufacturer, found.ManufacturerModelName = "RadLab", "dicom_synthetic"
    found.ImageComments = "SYNTHETIC: computed, shows no person"
    found.BurnedInAnnotation = "NO"
    found.LossyImageCompression = "00"
    return found


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """An item of a code sequence (PS3.3 8.8)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def items(*given: Dataset) -> Sequence:
    """A sequence of these items."""
    return Sequence(list(given))


def encode(dataset: Dataset) -> bytes:
    """The data set as a file: Explicit VR Little Endian, with preamble and file meta."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_UID)
    meta.ImplementationVersionName = "RADLAB"
    dataset.file_meta = meta
    buffer = io.BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()
