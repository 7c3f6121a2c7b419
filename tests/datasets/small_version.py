"""A published version of a few small CT series and photographs, made without the archive.

What reads a version is tested on files and rows that the test wrote itself: real DICOM images, a
SEG whose bits lie where the index says, boxes, labels, a card.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, VLPhotographicImageStorage

from dicom_catalog.layout import LAYOUT, TABLES, statements

ROWS, COLUMNS, SLICES = 20, 24, 5
SPACING = (2.5, 0.75, 0.5)  # slice, row, column in mm
SPLITS = ("train", "train", "validation", "test")
LESION, ORGAN = "lesion", "organ"


class SmallVersion:
    """`folder` is the version's; `volumes` and `masks` are what was written, by series UID."""

    def __init__(self, root: Path, name: str, card: Mapping[str, Any]) -> None:
        self.root = root
        self.folder = root / name / "1.0.0"
        self.folder.mkdir(parents=True)
        self.volumes: dict[str, NDArray[Any]] = {}
        self.masks: dict[str, dict[str, NDArray[np.bool_]]] = {}
        self.index = sqlite3.connect(self.folder / "index.sqlite")
        for statement in statements():
            self.index.execute(statement)
        self.index.execute("CREATE TABLE labels (instance_uid TEXT PRIMARY KEY, kind TEXT)")
        self.index.execute(f"PRAGMA user_version = {LAYOUT}")
        facts = {
            "name": name, "version": "1.0.0", "titles": {"en": name}, "source": "this test",
            "licence": "CC0-1.0", "population": "nobody", "limits": [], "synthetic": True,
            "deidentified": "invented",
        }  # fmt: skip
        (self.folder / "card.json").write_text(json.dumps({**facts, **card}))
        (self.folder / "manifest.json").write_text(json.dumps({"root": f"root of {name}"}))

    def put(self, table: str, **values: Any) -> None:
        """A row; a column that is not given holds nothing, or a nought where it must hold."""
        must = {name: 0 for name, kind in TABLES.get(table, {}).items() if "NOT NULL" in kind}
        row = {**must, **values}
        names = ", ".join(f'"{name}"' for name in row)
        marks = ", ".join("?" * len(row))
        self.index.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(row.values()))

    def image(self, dataset: pydicom.Dataset, split: str, kind: str, place: int) -> None:
        """A DICOM image written to its place, and its rows."""
        uid, patient = dataset.SOPInstanceUID, dataset.PatientID
        path = f"{patient}/{dataset.StudyInstanceUID}/{dataset.SeriesInstanceUID}/{place:03d}.dcm"
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.file_meta.MediaStorageSOPInstanceUID = uid
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        dataset.save_as(self.folder / path, enforce_file_format=True)
        length = len(dataset.PixelData)
        offset = (self.folder / path).stat().st_size - length
        spacing = dataset.get("PixelSpacing") or (None, None)
        slope, intercept = dataset.get("RescaleSlope", 1), dataset.get("RescaleIntercept", 0)
        self.put(
            "images", instance_uid=uid, patient_id=patient, study_uid=dataset.StudyInstanceUID,
            series_uid=dataset.SeriesInstanceUID, instance_number=place + 1, split=split,
            path=path, sop_class_uid=dataset.SOPClassUID, modality=dataset.Modality,
            transfer_syntax_uid=ExplicitVRLittleEndian, number_of_frames=1, rows=dataset.Rows,
            columns=dataset.Columns, samples=dataset.SamplesPerPixel,
            bits_allocated=dataset.BitsAllocated, bits_stored=dataset.BitsStored,
            pixel_representation=dataset.PixelRepresentation, pixel_keyword="PixelData",
            photometric=dataset.PhotometricInterpretation, pixel_offset=offset,
            pixel_length=length, row_spacing=spacing[0], column_spacing=spacing[1], slope=slope,
            intercept=intercept, window_center=128, window_width=256, window_source="computed",
            voi_function="LINEAR", sha256=uid,
        )  # fmt: skip
        self.put(
            "frames", series_uid=dataset.SeriesInstanceUID, place=place, instance_uid=uid,
            frame=0, pixel_offset=offset, pixel_length=length, slope=slope, intercept=intercept,
        )  # fmt: skip
        self.put("labels", instance_uid=uid, kind=kind)

    def series(self, uid: str, patient: str, modality: str, frames: int, **values: Any) -> None:
        """The row of a series."""
        self.put(
            "series", series_uid=uid, study_uid=f"{uid}.0", patient_id=patient, modality=modality,
            instances=frames, frames=frames, **values,
        )  # fmt: skip

    def seg(self, series: str, masks: Mapping[str, NDArray[np.bool_]], frames: list[str]) -> None:
        """A binary SEG after 64 bytes of header: all frames of a segment, then the next."""
        uid = f"{series}.9"
        self.put(
            "objects", instance_uid=uid, modality="SEG", path=f"{uid}.dcm",
            references_series_uid=series,
        )  # fmt: skip
        pixels = ROWS * COLUMNS
        for number, (name, mask) in enumerate(masks.items(), start=1):
            code = json.dumps(["1", "99T", name])
            self.put("segments", object_uid=uid, number=number, name=name, code=code, kind="binary")
            for place in range(len(mask)):
                at = (number - 1) * len(mask) + place
                self.put(
                    "masks", object_uid=uid, number=number, series_uid=series, frame=0, bits=1,
                    instance_uid=frames[place], bit_offset=64 * 8 + at * pixels, rows=ROWS,
                    columns=COLUMNS,
                )  # fmt: skip
        bits = np.concatenate([mask.ravel() for mask in masks.values()])
        packed = np.packbits(bits, bitorder="little").tobytes()
        (self.folder / f"{uid}.dcm").write_bytes(bytes(64) + packed)
        self.masks[series] = dict(masks)

    def done(self) -> SmallVersion:
        self.index.commit()
        self.index.close()
        return self


def ct_version(
    root: Path,
    name: str = "small-ct",
    patients: int = 4,
    shape: tuple[int, int, int] = (SLICES, ROWS, COLUMNS),
) -> SmallVersion:
    """A CT series a patient, on an oblique grid; masks and a box for all but the last patient.

    Of another `shape` than the small one there are no masks.
    """
    target = {"column": "kind", "classes": ["none", "lesion"]}
    structures = {ORGAN: {"en": "organ"}, LESION: {"en": "lesion"}}
    card = {"modality": "CT", "task": "segmentation", "target": target, "structures": structures}
    made = SmallVersion(root, name, card)
    for number in range(patients):
        small = shape == (SLICES, ROWS, COLUMNS)
        _ct(made, number, shape, small and number + 1 < patients)
    return made.done()


def affine_of(number: int) -> NDArray[np.float64]:
    """LPS, (column, row, slice) to mm: a turned plane, slices along its normal."""
    turn = 0.1 * (number + 1)
    row = np.array([np.cos(turn), np.sin(turn), 0.0])
    column = np.array([-np.sin(turn), np.cos(turn), 0.0])
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = row * SPACING[2], column * SPACING[1]
    affine[:3, 2] = np.cross(row, column) * SPACING[0]
    affine[:3, 3] = (-5.0 * number, 3.0, 40.0 + number)
    return affine


def _ct(made: SmallVersion, number: int, shape: tuple[int, int, int], marked: bool) -> None:
    patient, uid = f"P{number}", f"1.2.826.{number + 1}"
    rng = np.random.default_rng(number)
    volume = rng.integers(0, 300, shape, dtype=np.uint16)
    affine = affine_of(number)
    for place in range(len(volume)):
        dataset = _common(patient, uid, f"{uid}.{place + 1}", volume[place])
        dataset.SOPClassUID, dataset.Modality = CTImageStorage, "CT"
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
        dataset.InstanceNumber = place + 1
        dataset.RescaleSlope, dataset.RescaleIntercept = 2, -100
        dataset.PixelSpacing = list(SPACING[1:])
        directions = affine[:3, :2] / [SPACING[2], SPACING[1]]
        dataset.ImageOrientationPatient = [round(x, 12) for x in directions.T.ravel()]
        dataset.ImagePositionPatient = list((affine @ (0, 0, place, 1))[:3])
        made.image(dataset, SPLITS[number % 4], "lesion" if marked else "none", place)
    made.series(
        uid, patient, "CT", len(volume), kind="volume", affine=json.dumps(affine.ravel().tolist()),
        slice_spacing=SPACING[0],
    )  # fmt: skip
    made.volumes[uid] = volume
    if marked:
        frames = [f"{uid}.{place + 1}" for place in range(SLICES)]
        organ = rng.random(volume.shape) < 0.5
        lesion = np.zeros(volume.shape, dtype=bool)
        lesion[1:3, 4:9, 10:16] = True
        made.seg(uid, {LESION: lesion, ORGAN: organ}, frames)
        made.put(
            "boxes", series_uid=uid, instance_uid=frames[1], frame=0, name=LESION, left=10, top=4,
            right=16, bottom=9, first=1, last=2, object="l1", more="{}",
        )  # fmt: skip


def photo_version(root: Path, name: str = "small-photo", colour: bool = True) -> SmallVersion:
    """Four photographs, each a series of its own, with a mask and a box."""
    target = {"column": "kind", "classes": ["a", "b"]}
    card = {"modality": "XC", "task": "detection", "target": target}
    made = SmallVersion(root, name, {**card, "structures": {LESION: {"en": "lesion"}}})
    for number in range(4):
        uid = f"1.2.840.{number + 1}"
        rng = np.random.default_rng(number)
        shape = (ROWS, COLUMNS, 3) if colour else (ROWS, COLUMNS)
        picture = rng.integers(0, 256, shape, dtype=np.uint8)
        dataset = _common(f"P{number}", uid, f"{uid}.1", picture)
        dataset.SOPClassUID, dataset.Modality = VLPhotographicImageStorage, "XC"
        dataset.SamplesPerPixel = 3 if colour else 1
        dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
        if colour:
            dataset.PlanarConfiguration = 0
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
        made.image(dataset, SPLITS[number], "ab"[number % 2], 0)
        made.series(uid, f"P{number}", "XC", 1, kind="images", reason="one image")
        made.volumes[uid] = picture
        mask = np.zeros((1, ROWS, COLUMNS), dtype=bool)
        mask[0, 4:12, 6:18] = True
        made.seg(uid, {LESION: mask}, [f"{uid}.1"])
        made.put(
            "boxes", series_uid=uid, instance_uid=f"{uid}.1", frame=0, name=LESION, left=6,
            top=4, right=18, bottom=12, object="l1", more="{}",
        )  # fmt: skip
    return made.done()


def _common(patient: str, series: str, uid: str, pixels: NDArray[Any]) -> pydicom.Dataset:
    dataset = pydicom.Dataset()
    dataset.PatientID, dataset.PatientName = patient, f"{patient}^SYNTHETIC"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"{series}.0", series
    dataset.SOPInstanceUID = uid
    dataset.SeriesDate = "20260101"
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.PixelRepresentation = 0
    dataset.PixelData = pixels.tobytes()
    return dataset
