"""Importing what a teacher has: images of any kind, and labels of any kind, with one command.

Files are scanned first (what is each, which labels are its own), then read, made plain and staged
in several processes, in the order of their paths. A broken file is named and left out. A command
that was killed goes on where it was, and nothing is visible before all is well.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset

from dicom_archive.cards import Card, Texts, make_card
from dicom_archive.derived import Derived
from dicom_archive.errors import (
    BadImage,
    BadLabels,
    NotDeclared,
    NothingToPublish,
    UidConflict,
)
from dicom_archive.flatten import derived_from_bytes
from dicom_archive.importing import masks as mask_files
from dicom_archive.importing import slides
from dicom_archive.importing.annotations import Annotations, gather
from dicom_archive.importing.marks import Marks
from dicom_archive.importing.reader import FILES_A_PROCESS, SOURCE_FILE, Taken, Task, read_all
from dicom_archive.importing.sources import Found, Listing, identify, opened, scan
from dicom_archive.instance import Instance
from dicom_archive.labels import LabelTable, published_names
from dicom_archive.manifest import Progress, canonical
from dicom_archive.staged import Staged
from dicom_archive.store import Published, Store
from dicom_archive.wrap import MODALITIES, Fields

SPLIT_SEED = 0


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


def import_images(
    store: Store,
    path: Path,
    options: Options,
    *,
    published: str,
    progress: Progress | None = None,
    processes: int | None = None,
) -> Report:
    """Publish the images under `path` as `options` say; the report names what was left out.

    `path` is a folder, a zip file or a DICOMDIR. Raises NotDeclared without the declaration,
    NothingToPublish where no image is left, BadLabels where labels do not fit, BadSource where
    `path` cannot be trusted, AlreadyPublished where the version exists with other bytes.
    """
    if not options.declared:
        raise NotDeclared(
            "Nothing was imported: nobody has declared that these images are de-identified. Make "
            "sure of it (headers, faces, burned-in text), then add --declare-deidentified."
        )
    report = Report()
    with opened(path, store.staging) as folder:
        plan = _Plan(folder, path.name, options, report)
        resume = sha256(canonical([str(path), _said(options)])).hexdigest()
        with store.staged(options.name, options.version, resume=resume) as staged:
            _fill(staged, plan, report, processes, progress)
            if not len(staged):
                raise NothingToPublish(_nothing(path.name, report))
            card = _card(options, plan, staged)
            origin = {"import": path.name, "left_out": len(report.left_out)}
            report.published = staged.publish(card, origin, published, SPLIT_SEED, to=options.to)
    return report


def _said(options: Options) -> dict[str, Any]:
    return {key: str(value) for key, value in asdict(options).items()}


class _Plan:
    """What is to be read, with the labels and marks of each file."""

    def __init__(self, root: Path, name: str, options: Options, report: Report) -> None:
        self.options = options
        self.naming = mask_files.naming(options.structures, options.objects)
        listing = _listing(root, options)
        report.left_out += listing.left_out
        if not listing.found:
            raise NothingToPublish(_nothing(name, report))
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


def _fill(
    staged: Staged,
    plan: _Plan,
    report: Report,
    processes: int | None,
    progress: Progress | None,
) -> None:
    first: dict[str, str] = {}
    for file in plan.images:
        first.setdefault(file.key.uid or file.key.path, file.key.path)
    done, total = 0, len(plan.files)
    tasks = []
    for file in plan.images:
        try:
            if staged.has(file.journal_key):
                report.resumed += 1
                done += 1
            else:
                tasks.append(plan.task(file))
        except BadImage as error:
            report.left_out.append((file.key.path, str(error)))
            done += 1
    workers = processes or min(os.cpu_count() or 1, 1 + len(tasks) // FILES_A_PROCESS)
    for taken in read_all(tasks, workers):
        _stage(staged, taken, first, report)
        done += 1
        if progress is not None:
            progress(done, total)
    _take_objects(staged, plan, report)
    report.left_out.sort()
    if progress is not None:
        progress(total, total)


def _stage(staged: Staged, taken: Taken, first: Mapping[str, str], report: Report) -> None:
    path = taken.file.key.path
    if taken.reason:
        report.left_out.append((path, taken.reason))
        return
    # The key goes with the last of a file's instances: a journal that has it has them all.
    pieces: list[Instance | Derived] = [*taken.instances, *taken.derived]
    try:
        for piece in pieces:
            key = taken.file.journal_key if piece is pieces[-1] else ""
            if isinstance(piece, Instance):
                new = staged.add(piece, key)
            else:
                new = staged.add_object(piece, key)
            owner = first.get(piece.uid, path)
            if not new and owner != path:
                report.left_out.append((path, f"it is a copy of {owner}"))
                return
    except UidConflict as error:
        owner = first.get(taken.instances[0].uid, path)
        same = f"it is another image with the UID of {owner}" if owner != path else str(error)
        report.left_out.append((path, same))
        return
    except BadImage as error:
        report.left_out.append((path, str(error)))
        return
    if taken.file.kind == "dicom" and not taken.instances[0].marked_deidentified:
        report.not_marked_deidentified += 1


class _Headers(Mapping[str, Dataset]):
    """Headers of the images of an import by UID, each read when it is asked for."""

    def __init__(self, files: Sequence[Found]) -> None:
        self._paths = {one.key.uid: one.path for one in files if one.key.uid}
        self._read: dict[str, Dataset] = {}

    def __getitem__(self, uid: str) -> Dataset:
        if uid not in self._read:
            self._read[uid] = pydicom.dcmread(self._paths[uid], stop_before_pixels=True, force=True)
        return self._read[uid]

    def __contains__(self, uid: object) -> bool:
        return uid in self._paths

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def _take_objects(staged: Staged, plan: _Plan, report: Report) -> None:
    """SEG and SR that came with the images, after these: they say where they belong."""
    left_out = {path for path, _ in report.left_out}
    headers = _Headers([one for one in plan.images if one.key.path not in left_out])
    for file in plan.objects:
        if staged.has(file.journal_key):
            report.resumed += 1
            continue
        try:
            written = derived_from_bytes(file.path.read_bytes(), headers)
            if not staged.add_object(written, file.journal_key):
                report.left_out.append((file.key.path, "it is a copy of another file"))
        except OSError as error:
            report.left_out.append((file.key.path, f"it cannot be read ({error.strerror})"))
        except (BadImage, UidConflict) as error:
            report.left_out.append((file.key.path, str(error)))


def _card(options: Options, plan: _Plan, staged: Staged) -> Card:
    title = options.title or options.name
    names = sorted(staged.structures)
    target = None
    if plan.target is not None:
        column = plan.names[plan.target]
        there = staged.values(column)
        target = {"column": column, "classes": [one for one in plan.classes if one in there]}
    return make_card(
        name=options.name,
        version=options.version,
        titles=Texts(en=title, zh_CN=options.title_zh or title),
        modality=", ".join(sorted(staged.modalities)),
        task=_task(plan, names),
        target=target,
        structures={name: Texts(en=name, zh_CN=name) for name in names},
        source=options.source,
        licence=options.licence,
        citation=options.citation,
        population=options.population,
        limits=list(options.limits),
        synthetic=False,
        deidentified="Declared de-identified by who imported it.",
    )


def _task(plan: _Plan, structures: Sequence[str]) -> str:
    if plan.target is not None:
        return "classification"
    if not structures:
        return "exploration"
    boxes = any(marks.rectangles for marks in plan.marks.values())
    shapes = any(marks.shapes for marks in plan.marks.values())
    return "detection" if boxes and not shapes else "segmentation"


def _nothing(name: str, report: Report) -> str:
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
