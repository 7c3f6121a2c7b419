"""Importing what a teacher has: images of any kind, and labels of any kind, with one command.

Files are scanned first (what is each, which labels are its own), then read, made plain and staged
in several processes, in the order of their paths. A broken file is named and left out. A command
that was killed goes on where it was, and nothing is visible before all is well.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset

from dicom_archive.cards import Card, Texts, make_card
from dicom_archive.derived import Derived
from dicom_archive.errors import (
    BadImage,
    NotDeclared,
    NothingToPublish,
    UidConflict,
)
from dicom_archive.flatten import derived_from_bytes
from dicom_archive.importing.plan import Options, Plan, Report, nothing
from dicom_archive.importing.reader import FILES_A_PROCESS, Taken, read_all
from dicom_archive.importing.sources import Found, opened
from dicom_archive.instance import Instance
from dicom_archive.manifest import Progress, canonical
from dicom_archive.staged import Staged
from dicom_archive.store import Store

__all__ = ["Options", "Report", "import_images"]

SPLIT_SEED = 0


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
        plan = Plan(folder, path.name, options, report)
        said = [str(path), _said(options), plan.label_state]
        resume = sha256(canonical(said)).hexdigest()
        with store.staged(options.name, options.version, resume=resume) as staged:
            _fill(staged, plan, report, processes, progress)
            if not len(staged):
                raise NothingToPublish(nothing(path.name, report))
            card = _card(options, plan, staged)
            origin = {"import": path.name, "left_out": len(report.left_out)}
            report.published = staged.publish(card, origin, published, SPLIT_SEED, to=options.to)
    return report


def _said(options: Options) -> dict[str, Any]:
    return {key: str(value) for key, value in asdict(options).items()}


def _fill(
    staged: Staged,
    plan: Plan,
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
            if staged.has(plan.key(file)):
                report.resumed += 1
                done += 1
            else:
                tasks.append(plan.task(file))
        except BadImage as error:
            report.left_out.append((file.key.path, str(error)))
            done += 1
    workers = processes or min(os.cpu_count() or 1, 1 + len(tasks) // FILES_A_PROCESS)
    for taken in read_all(tasks, workers):
        _stage(staged, taken, plan.key(taken.file), first, report)
        done += 1
        if progress is not None:
            progress(done, total)
    _take_objects(staged, plan, report)
    report.left_out.sort()
    if progress is not None:
        progress(total, total)


def _stage(
    staged: Staged, taken: Taken, whole: str, first: Mapping[str, str], report: Report
) -> None:
    path = taken.file.key.path
    if taken.reason:
        report.left_out.append((path, taken.reason))
        return
    # The key goes with the last of a file's instances: a journal that has it has them all.
    pieces: list[Instance | Derived] = [*taken.instances, *taken.derived]
    try:
        for piece in pieces:
            key = whole if piece is pieces[-1] else ""
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


def _take_objects(staged: Staged, plan: Plan, report: Report) -> None:
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


def _card(options: Options, plan: Plan, staged: Staged) -> Card:
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


def _task(plan: Plan, structures: Sequence[str]) -> str:
    if plan.target is not None:
        return "classification"
    if not structures:
        return "exploration"
    boxes = any(marks.rectangles for marks in plan.marks.values())
    shapes = any(marks.shapes for marks in plan.marks.values())
    return "detection" if boxes and not shapes else "segmentation"
