"""What an import is to read: each file with the labels, marks and masks that are its own.

A teacher's `Options` and the files found become a `Plan`; it gives a `Task` for each image, and the
reason for each that labels leave out. What was left out and why goes into the `Report`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from dicom_archive.errors import BadImage, BadLabels, NothingToPublish
from dicom_archive.importing import masks as mask_files
from dicom_archive.importing import slides
from dicom_archive.importing.annotations import Annotations, gather
from dicom_archive.importing.marks import Marks
from dicom_archive.importing.reader import SOURCE_FILE, Task
from dicom_archive.importing.sources import Found, Listing, file_state, identify, scan
from dicom_archive.labels import LabelTable, published_names
from dicom_archive.version import Published
from dicom_archive.wrap import MODALITIES, Fields


@dataclass(frozen=True)
class Options:
    """What a teacher says about an import; see `radlab dataset import --help`."""

    name: str
    version: str
    target: str | None
    declared: bool
    labels: Path | None = None
    marks: Path | None = None
    structures: tuple[str, ...] = ()
    objects: str = ""
    tiles: bool = False
    file_column: str | None = None
    patient_column: str | None = None
    patient_pattern: str | None = None
    image_is_patient: bool = False
    modality: str | None = None
    fields: Fields = field(default_factory=lambda: Fields("OT"))
    title: str | None = None
    title_zh: str | None = None
    source: str = "Imported at this site"
    licence: str = "Not stated; ask who imported it"
    citation: str = ""
    population: str = "Not described"
    limits: tuple[str, ...] = ("Imported as given; nobody has checked labels against images.",)
    to: tuple[str, ...] = ("everyone",)


@dataclass
class Report:
    """What an import did: what it published, which files it left out and why."""

    published: Published | None = None
    left_out: list[tuple[str, str]] = field(default_factory=list)
    other_files: int = 0
    rows_without_image: int = 0
    marks_without_image: list[str] = field(default_factory=list)
    images_without_marks: int = 0
    not_marked_deidentified: int = 0
    resumed: int = 0


class Plan:
    """What is to be read, with the labels and marks of each file."""

    def __init__(self, root: Path, name: str, options: Options, report: Report) -> None:
        self.options = options
        self.naming = mask_files.naming(options.structures, options.objects)
        listing = _listing(root, options)
        report.left_out += listing.left_out
        if not listing.found:
            raise NothingToPublish(nothing(name, report))
        files = slides.gather(listing.found) if options.tiles else listing.found
        self.files, self.masks = mask_files.pair(files)
        self.images = [one for one in self.files if one.kind != "derived"]
        self.objects = [one for one in self.files if one.kind == "derived"]
        annotations = gather(listing.others, options.marks, bool(self.masks))
        keys = [one.key for one in self.images]
        self.marks, report.marks_without_image = annotations.by_path(keys)
        self.table = _table(annotations, options, root)
        self.target: str | None = None
        self.classes: list[str] = []
        self.rows: dict[str, int] = {}
        self.names: dict[str, str] = {}
        self.patient = _patient_column(self.table, options, self.images)
        if self.table is not None:
            self._match(self.table, report)
        self.label_state = _label_state(annotations, options)
        used = len(annotations.files) + (self.table is not None and options.labels is None)
        report.other_files = max(len(listing.others) - used, 0)
        if self.marks or self.masks:
            marked = self.marks.keys() | self.masks.keys()
            report.images_without_marks = sum(one.key.path not in marked for one in self.images)

    def _match(self, table: LabelTable, report: Report) -> None:
        options = self.options
        keys = [one.key for one in self.images]
        column, self.rows = table.match(keys, options.file_column)
        report.rows_without_image = len(table) - len(set(self.rows.values()))
        hidden = {column, self.patient}
        self.names = published_names([one for one in table.columns if one not in hidden])
        if options.target is None:
            return
        self.target = table.column(options.target)
        self.classes = table.classes(sorted(set(self.rows.values())), self.target)
        if self.target not in self.names:
            raise BadLabels(f"The target '{options.target}' is the column that names the images.")

    def key(self, file: Found) -> str:
        """Names a file in the journal, its masks with it: with another mask it is taken anew."""
        masks = self.masks.get(file.key.path, ())
        return "; ".join([file.journal_key, *(mask.journal_key for mask in masks)])

    def task(self, file: Found) -> Task:
        """What a worker needs for `file`; BadImage where the labels leave it out."""
        path, options = file.key.path, self.options
        row = self.rows.get(path)
        labels = self._labels(row)
        if file.kind != "dicom" or path in self.marks:
            labels[SOURCE_FILE] = path
        fields = replace(options.fields, modality=self._modality(file, row))
        marks = self.marks.get(path, Marks())
        masks = tuple(self.masks.get(path, ()))
        patient = "" if file.kind == "dicom" else self._patient(file, row)
        return Task(file, options.name, patient, fields, labels, marks, masks, self.naming)

    def _labels(self, row: int | None) -> dict[str, Any]:
        if self.table is None:
            return {}
        if row is None:
            if self.target is None:
                return {}
            raise BadImage(f"{self.table.name} has no row for it")
        labels = self.table.labels(row, self.names, self.target or "")
        if self.target is not None and labels[self.names[self.target]] is None:
            raise BadImage(f"its row in {self.table.name} has no '{self.target}'")
        return labels

    def _patient(self, file: Found, row: int | None) -> str:
        path, pattern = file.key.path, self.options.patient_pattern
        if pattern is not None:
            found = re.search(pattern, path)
            if found is None:
                raise BadImage(f"its path does not match the patient pattern {pattern}")
            return found[1] if found.re.groups else found[0]
        if self.patient is None or self.table is None:
            return "image-" + sha256(path.encode()).hexdigest()[:12]
        patient = "" if row is None else self.table.text(row, self.patient)
        if not patient:
            raise BadImage(f"its row in {self.table.name} has no '{self.patient}'")
        return patient

    def _modality(self, file: Found, row: int | None) -> str:
        modality = self.options.modality
        if file.kind in ("slide", "tiles"):
            return "SM"
        if modality is None and self.table is not None and "modality" in self.table.columns:
            modality = self.table.text(row, "modality").upper() if row is not None else None
        if modality is not None and modality not in MODALITIES:
            raise BadImage(f"its modality '{modality}' is none of {', '.join(MODALITIES)}")
        return modality or "OT"


def _label_state(annotations: Annotations, options: Options) -> list[str]:
    """Which label files there are, of what size and time: with others, nothing is gone on from."""
    paths = {*annotations.files, *annotations.tables} | ({options.labels} - {None})
    return sorted(file_state(path) for path in paths if path is not None)


def _listing(root: Path, options: Options) -> Listing:
    listing = scan(root)
    given = options.marks
    if given is not None and given.is_dir() and not given.is_relative_to(root):
        # A folder of masks beside the images: named by its own path, its masks by theirs.
        for path in sorted(given.rglob("*")):
            if path.is_file():
                one = identify(path, f"masks/{path.relative_to(given).as_posix()}")
                if one is not None and one.kind in ("picture", "nifti"):
                    listing.found.append(one)
    return listing


def _table(annotations: Annotations, options: Options, root: Path) -> LabelTable | None:
    if options.labels is not None:
        return LabelTable(options.labels)
    tables = sorted(path for path in annotations.tables if path.parent == root)
    if len(tables) == 1:
        return LabelTable(tables[0])
    if tables or options.target is not None:
        found = "no CSV table" if not tables else f"{len(tables)} CSV tables"
        raise BadLabels(f"There is {found} in {root}. Name the table of labels with --labels.")
    return None


def _patient_column(
    table: LabelTable | None, options: Options, files: Sequence[Found]
) -> str | None:
    if options.patient_column and table is not None:
        return table.column(options.patient_column)
    told = options.image_is_patient or options.patient_pattern is not None
    if told or all(file.kind == "dicom" for file in files):
        return None
    for name in ("patient_id", "patient", "patientid", "PatientID"):
        if table is not None and name in table.columns:
            return name
    where = f"{table.name}: no column is called patient_id" if table else "There is no table"
    there = f" There is: {', '.join(table.columns)}." if table else ""
    raise BadLabels(
        f"{where}, and splits are by patient. Name the column that tells patients apart with "
        "--patient-column, or the part of the path that does with --patient-pattern; where each "
        f"image is of another patient, say --image-is-patient.{there}"
    )


def nothing(name: str, report: Report) -> str:
    """The refusal where no image is left, with the most common reason."""
    if not report.left_out:
        return (
            f"There is no image in {name}. An import takes DICOM, PNG, JPEG, NIfTI and TIFF files, "
            "in this folder and those below it."
        )
    reasons = Counter(reason for _, reason in report.left_out)
    reason, count = reasons.most_common(1)[0]
    return (
        f"None of the {len(report.left_out)} images in {name} can be taken. The most common "
        f"reason, {count} times: {reason}. The first: {report.left_out[0][0]}."
    )
