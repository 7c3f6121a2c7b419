"""Importing a teacher's folder: DICOM files, or pictures, with a table of labels.

Files are scanned first (what is each, which row of the table is its own), then read, made plain
and written one by one. A broken file is named and left out; nothing is visible before all is well.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pydicom

from dicom_archive.cards import Card, Texts, make_card
from dicom_archive.errors import BadImage, BadLabels, NotDeclared, NothingToPublish
from dicom_archive.instance import Instance, instance_from_bytes, instance_from_dataset
from dicom_archive.labels import Key, LabelTable, published_names
from dicom_archive.manifest import Progress
from dicom_archive.store import Published, Staged, Store
from dicom_archive.wrap import MODALITIES, Fields, wrap_picture

SPLIT_SEED = 0
_ENDINGS = {".dcm": "dicom", ".dicom": "dicom", ".png": "picture", ".jpg": "picture"}
_ENDINGS[".jpeg"] = "picture"


@dataclass(frozen=True)
class Options:
    """What a teacher says about an import; see `radlab dataset import --help`."""

    name: str
    version: str
    target: str
    declared: bool
    labels: Path | None = None
    file_column: str | None = None
    patient_column: str | None = None
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


@dataclass
class Report:
    """What an import did: what it published, which files it left out and why."""

    published: Published | None = None
    left_out: list[tuple[str, str]] = field(default_factory=list)
    other_files: int = 0
    rows_without_image: int = 0
    not_marked_deidentified: int = 0


@dataclass(frozen=True)
class Found:
    """A file that may be an image: its kind is `dicom` or `picture`."""

    path: Path
    key: Key
    kind: str


def import_images(
    store: Store,
    folder: Path,
    options: Options,
    *,
    published: str,
    progress: Progress | None = None,
) -> Report:
    """Publish the images of `folder` as `options` say; the report names what was left out.

    Raises NotDeclared without the declaration, NothingToPublish where no image is left, BadLabels
    where the table does not fit, AlreadyPublished where the version exists with other bytes.
    """
    if not options.declared:
        raise NotDeclared(
            "Nothing was imported: nobody has declared that these images are de-identified. Make "
            "sure of it (headers, faces, burned-in text), then add --declare-deidentified."
        )
    report = Report()
    files = scan(folder, report)
    table = LabelTable(_label_file(folder, options.labels))
    column, rows = table.match([file.key for file in files], options.file_column)
    target = table.column(options.target)
    classes = table.classes(sorted(set(rows.values())), target)
    report.rows_without_image = len(table) - len(set(rows.values()))
    reader = _Reader(options, table, column, _patient_column(table, options, files))
    with store.staged(options.name, options.version) as staged:
        seen: dict[str, tuple[str, str]] = {}
        for done, file in enumerate(files, start=1):
            try:
                _take(staged, reader.read(file, rows.get(file.key.path)), file, seen, report)
            except BadImage as error:
                report.left_out.append((file.key.path, str(error)))
            if progress is not None:
                progress(done, len(files))
        if not len(staged):
            raise NothingToPublish(_nothing(folder, report))
        card = _card(options, reader.names[target], classes, staged)
        origin = {"import": folder.name, "left_out": len(report.left_out)}
        report.published = staged.publish(card, origin, published, SPLIT_SEED)
    return report


def scan(folder: Path, report: Report) -> list[Found]:
    """All files under `folder` that may be images, sorted by path; NothingToPublish where none."""
    if not folder.is_dir():
        raise NothingToPublish(f"There is no folder {folder}. Name the folder that has the images.")
    found = []
    for inner, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(inner, name)
            try:
                one = _identify(path, path.relative_to(folder).as_posix())
            except BadImage as error:
                report.left_out.append((path.relative_to(folder).as_posix(), str(error)))
                continue
            if one is None:
                report.other_files += 1
            else:
                found.append(one)
    if not found:
        raise NothingToPublish(_nothing(folder, report))
    return found


def _identify(path: Path, relative: str) -> Found | None:
    try:
        with path.open("rb") as file:
            head = file.read(132)
    except OSError as error:
        raise BadImage(f"it cannot be read ({error.strerror})") from error
    if head[128:] == b"DICM":
        return Found(path, _dicom_key(path, relative), "dicom")
    if head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")):
        return Found(path, Key(relative), "picture")
    expected = _ENDINGS.get(path.suffix.lower())
    if expected is None:
        return None
    if not head:
        raise BadImage("it is empty")
    kind = "DICOM file" if expected == "dicom" else "PNG or JPEG picture"
    raise BadImage(f"it is called {path.suffix} but is no {kind}")


def _dicom_key(path: Path, relative: str) -> Key:
    try:
        head = pydicom.dcmread(path, specific_tags=["SOPInstanceUID", "PatientID"])
        return Key(relative, str(head.get("SOPInstanceUID", "")), str(head.get("PatientID", "")))
    # As in `instance_from_bytes`: a broken file is one that is left out, whatever broke it.
    except Exception as error:
        reason = " ".join(str(error).split())[:120]
        raise BadImage(f"its header cannot be read ({reason})") from error


class _Reader:
    """Turns files into instances with labels, by what the options and the table say."""

    def __init__(
        self, options: Options, table: LabelTable, column: str, patient: str | None
    ) -> None:
        self.options = options
        self.table = table
        self.patient = patient
        hidden = {column, patient}
        self.names = published_names([name for name in table.columns if name not in hidden])
        if options.target not in self.names:
            raise BadLabels(f"The target '{options.target}' is the column that names the images.")

    def read(self, file: Found, row: int | None) -> Instance:
        if row is None:
            raise BadImage(f"{self.table.name} has no row for it")
        labels = self.table.labels(row, self.names, self.options.target)
        if labels[self.names[self.options.target]] is None:
            raise BadImage(f"its row in {self.table.name} has no '{self.options.target}'")
        try:
            data = file.path.read_bytes()
        except OSError as error:
            raise BadImage(f"it cannot be read ({error.strerror})") from error
        if file.kind == "dicom":
            instance = instance_from_bytes(data)
        else:
            dataset = wrap_picture(
                data, self.options.name, file.key.path, self._patient(file, row), self._fields(row)
            )
            instance = instance_from_dataset(dataset)
        instance.labels = labels
        return instance

    def _patient(self, file: Found, row: int) -> str:
        if self.patient is None:
            return "image-" + sha256(file.key.path.encode()).hexdigest()[:12]
        patient = self.table.text(row, self.patient)
        if not patient:
            raise BadImage(f"its row in {self.table.name} has no '{self.patient}'")
        return patient

    def _fields(self, row: int) -> Fields:
        fields = self.options.fields
        modality = self.options.modality
        if modality is None and "modality" in self.table.columns:
            modality = self.table.text(row, "modality").upper()
        if modality is not None and modality not in MODALITIES:
            raise BadImage(f"its modality '{modality}' is none of {', '.join(MODALITIES)}")
        return Fields(
            modality or "OT", fields.body_part, fields.view, fields.laterality, fields.pixel_spacing
        )


def _patient_column(table: LabelTable, options: Options, files: Sequence[Found]) -> str | None:
    if options.patient_column:
        return table.column(options.patient_column)
    if all(file.kind == "dicom" for file in files) or options.image_is_patient:
        return None
    for name in ("patient_id", "patient", "patientid", "PatientID"):
        if name in table.columns:
            return name
    raise BadLabels(
        f"{table.name}: no column is called patient_id, and splits are by patient. Name the column "
        "that tells patients apart with --patient-column; where each image is of another patient, "
        f"say --image-is-patient. There is: {', '.join(table.columns)}."
    )


def _take(
    staged: Staged,
    instance: Instance,
    file: Found,
    seen: dict[str, tuple[str, str]],
    report: Report,
) -> None:
    digest = sha256(instance.data).hexdigest()
    if instance.uid in seen:
        first, known = seen[instance.uid]
        same = "a copy of" if digest == known else "another image with the UID of"
        raise BadImage(f"it is {same} {first}")
    seen[instance.uid] = (file.key.path, digest)
    if file.kind == "dicom" and not instance.marked_deidentified:
        report.not_marked_deidentified += 1
    staged.add(instance)


def _label_file(folder: Path, given: Path | None) -> Path:
    if given is not None:
        return given
    tables = sorted(folder.glob("*.csv"))
    if len(tables) != 1:
        found = "no CSV table" if not tables else f"{len(tables)} CSV tables"
        raise BadLabels(f"There is {found} in {folder}. Name the table of labels with --labels.")
    return tables[0]


def _card(options: Options, target: str, classes: list[str], staged: Staged) -> Card:
    title = options.title or options.name
    return make_card(
        name=options.name,
        version=options.version,
        titles=Texts(en=title, zh_CN=options.title_zh or title),
        modality=", ".join(sorted(staged.modalities)),
        task="classification",
        target={"column": target, "classes": [c for c in classes if c in staged.values(target)]},
        source=options.source,
        licence=options.licence,
        citation=options.citation,
        population=options.population,
        limits=list(options.limits),
        synthetic=False,
        deidentified="Declared de-identified by who imported it.",
    )


def _nothing(folder: Path, report: Report) -> str:
    if not report.left_out:
        return (
            f"There is no image in {folder}. An import takes DICOM, PNG and JPEG files, in this "
            "folder and those below it."
        )
    reasons = Counter(reason for _, reason in report.left_out)
    reason, count = reasons.most_common(1)[0]
    return (
        f"None of the {len(report.left_out)} images in {folder} can be taken. The most common "
        f"reason, {count} times: {reason}. The first: {report.left_out[0][0]}."
    )
