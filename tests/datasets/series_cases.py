"""Small series to read: CT slices and others as DICOM objects, loose or as a published version."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from dicom_catalog import Catalog, Series, read_folder
from dicom_catalog.header import describe, series_rows
from dicom_catalog.layout import TABLES, statements

SPACING = (0.8, 0.5)  # from row to row, from column to column, in mm
CT = "1.2.840.10008.5.1.4.1.1.2"


def instance(pixels: np.ndarray, **elements: Any) -> Dataset:
    """A DICOM object of grey or colour `pixels`, of several frames where they have them."""
    found = Dataset()
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    colour = pixels.ndim > 2 and pixels.shape[-1] == 3
    rows, columns = pixels.shape[-3:-1] if colour else pixels.shape[-2:]
    bits = 8 * pixels.dtype.itemsize
    given = {
        "SOPClassUID": CT,
        "SOPInstanceUID": generate_uid(),
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.4",
        "PatientID": "P1",
        "Modality": "CT",
        "Rows": rows,
        "Columns": columns,
        "SamplesPerPixel": 3 if colour else 1,
        "PhotometricInterpretation": "RGB" if colour else "MONOCHROME2",
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
    } | elements
    if colour:
        given["PlanarConfiguration"] = 0
    if pixels.ndim - colour > 2:
        given.setdefault("NumberOfFrames", len(pixels))
    keyword = {"f4": "FloatPixelData", "f8": "DoubleFloatPixelData"}.get(pixels.dtype.str[1:])
    data = pixels.tobytes()
    given[keyword or "PixelData"] = data + b"\0" * (len(data) % 2)
    for name, value in given.items():
        setattr(found, name, value)
    return found


def ct(
    heights: Sequence[float], slope: float = 1, intercept: float = -1024, tilt: float = 0
) -> list[Dataset]:
    """CT slices at `heights` in mm, 6 x 5 pixels, each moved by `tilt` rows a mm of height."""
    rng = np.random.default_rng(7)
    made = []
    for number, z in enumerate(heights, start=1):
        pixels = rng.integers(0, 3000, (6, 5), dtype=np.int16)
        made.append(
            instance(
                pixels,
                InstanceNumber=number,
                ImagePositionPatient=[-10.0, 20.0 + tilt * z, float(z)],
                ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
                PixelSpacing=list(SPACING),
                SliceThickness=3,
                RescaleSlope=slope,
                RescaleIntercept=intercept,
                WindowCenter=40,
                WindowWidth=400,
            )
        )
    return made


def publish(folder: Path, datasets: Sequence[Dataset]) -> Catalog:
    """A version of these instances of one series, in the layout of today."""
    version = folder / "mine" / "1.0.0"
    version.mkdir(parents=True)
    described = []
    for number, dataset in enumerate(datasets):
        path = version / f"{number:03d}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        data = path.read_bytes()
        length = len(dataset.PixelData)
        found = describe(dataset, len(data) - length, length)
        found.image.update(path=path.name, split="train")
        described.append(found)
    series, frames, _ = series_rows(described)
    rows = {
        "series": [series],
        "studies": [described[0].study],
        "images": [one.image for one in described],
        "frames": frames,
    }
    connection = sqlite3.connect(version / "index.sqlite")
    for line in [*statements(), "CREATE TABLE labels (instance_uid, kind)"]:
        connection.execute(line)
    for table, lines in rows.items():
        names = list(TABLES[table])
        quoted = ", ".join(f'"{name}"' for name in names)
        marks = ", ".join("?" * len(names))
        values = [[line[name] for name in names] for line in lines]
        connection.executemany(f"INSERT INTO {table} ({quoted}) VALUES ({marks})", values)
    labels = [(one.image["instance_uid"], "ab"[k % 2]) for k, one in enumerate(described)]
    connection.executemany("INSERT INTO labels VALUES (?, ?)", labels)
    connection.execute("PRAGMA user_version = 2")
    connection.commit()
    connection.close()
    card: dict[str, Any] = {"name": "mine", "version": "1.0.0", "modality": "CT"}
    card |= {"titles": {"en": "Mine"}}
    card |= {"task": "segmentation", "source": "s", "licence": "l", "population": "p"}
    card |= {"limits": [{"en": "small", "zh_CN": "小"}, "old"], "synthetic": True}
    card |= {"deidentified": "", "structures": {"nodule": {"en": "lung nodule"}}}
    (version / "card.json").write_text(json.dumps(card))
    return Catalog(folder)


def stack(datasets: Sequence[Dataset]) -> np.ndarray:
    by_height = sorted(datasets, key=lambda one: float(one.ImagePositionPatient[2]))
    return np.stack([one.pixel_array for one in by_height])


@pytest.fixture
def save(tmp_path: Path) -> Callable[[Sequence[Dataset]], Path]:
    def write(datasets: Sequence[Dataset]) -> Path:
        folder = tmp_path / "given"
        folder.mkdir()
        for number, one in enumerate(datasets):
            one.save_as(folder / f"{number:03d}.dcm", enforce_file_format=True)
        return folder

    return write


@pytest.fixture
def one(save: Callable[[Sequence[Dataset]], Path]) -> Callable[..., Series]:
    """The only series of the instances given, read as a student's own folder."""

    def read(*datasets: Dataset) -> Series:
        (found,) = read_folder(save(datasets))
        return found

    return read
