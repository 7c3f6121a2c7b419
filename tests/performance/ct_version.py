"""A CT to measure with: 300 slices of 512 x 512, as loose files and as a published version.

A body of noise and smooth shapes, so that compression finds about what it finds in a real one.
"""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from dicom_catalog.header import describe, series_rows
from dicom_catalog.layout import INDEX_NAME, LAYOUT, TABLES, statements

NAME = "measured-ct"
SERIES = "2.25.300512512"
STUDY = "2.25.300512"
CT_IMAGE = UID("1.2.840.10008.5.1.4.1.1.2")
SPACING = 0.7
STEP = 1.25
CARD = {
    "name": NAME,
    "version": "1.0.0",
    "titles": {"en": "A CT to measure with"},
    "modality": "CT",
    "task": "exploration",
    "source": "made by bench read",
    "licence": "none",
    "population": "none",
    "limits": [],
    "synthetic": True,
    "deidentified": "SYNTHETIC",
}


def pixels(place: int, size: int) -> NDArray[np.int16]:
    """Slice `place`: an ellipse of soft tissue with two lungs, and noise of 12 HU."""
    rng = np.random.default_rng(place)
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    body = (x / 0.9) ** 2 + (y / 0.65) ** 2 < 1
    lungs = ((np.abs(x) - 0.4) / 0.3) ** 2 + (y / (0.4 + place / 4000)) ** 2 < 1
    clean = np.where(lungs, 160, np.where(body, 1060 + 60 * np.sin(9 * x) * np.cos(7 * y), 24))
    return np.asarray(np.rint(clean + rng.normal(0, 12, clean.shape)), np.int16).clip(0)


def instance(place: int, size: int) -> Dataset:
    """Slice `place` as a DICOM object; the names of its files do not follow the slices."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    elements = {
        "SOPClassUID": CT_IMAGE,
        "SOPInstanceUID": generate_uid(entropy_srcs=[SERIES, str(place)]),
        "StudyInstanceUID": STUDY,
        "SeriesInstanceUID": SERIES,
        "FrameOfReferenceUID": STUDY,
        "PatientID": "SYNTHETIC",
        "PatientName": "SYNTHETIC",
        "Modality": "CT",
        "InstanceNumber": place + 1,
        "ImagePositionPatient": [-180.0, -180.0, round(place * STEP, 4)],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [SPACING, SPACING],
        "SliceThickness": STEP,
        "Rows": size,
        "Columns": size,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 1,
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        "WindowCenter": 40,
        "WindowWidth": 400,
        "PixelData": pixels(place, size).tobytes(),
    }
    for name, value in elements.items():
        setattr(made, name, value)
    return made


def write(root: Path, slices: int, size: int) -> Path:
    """The version under `root`, and its folder."""
    folder = root / NAME / "1.0.0"
    folder.mkdir(parents=True)
    described = []
    # Scattered over the names of the files, as scanners do it.
    order = np.random.default_rng(0).permutation(slices)
    for number, place in enumerate(order.tolist()):
        path = folder / f"{number:03d}.dcm"
        made = instance(place, size)
        made.save_as(path, enforce_file_format=True)
        length = len(made.PixelData)
        found = describe(made, path.stat().st_size - length, length)
        found.image.update(path=path.name, split="train")
        described.append(found)
    series, frames, _ = series_rows(described)
    images = [one.image for one in described]
    rows = {"studies": [described[0].study], "series": [series], "images": images, "frames": frames}
    connection = sqlite3.connect(folder / INDEX_NAME)
    for line in [*statements(), "CREATE TABLE labels (instance_uid)"]:
        connection.execute(line)
    for table, lines in rows.items():
        marks = ", ".join("?" * len(TABLES[table]))
        values = [[line[name] for name in TABLES[table]] for line in lines]
        connection.executemany(f"INSERT INTO {table} VALUES ({marks})", values)
    uids = [(one["instance_uid"],) for one in images]
    connection.executemany("INSERT INTO labels VALUES (?)", uids)
    connection.execute(f"PRAGMA user_version = {LAYOUT}")
    connection.commit()
    connection.close()
    (folder / "card.json").write_text(json.dumps(CARD))
    return folder
