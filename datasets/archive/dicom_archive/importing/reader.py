"""One file on its way in: images made plain, what is marked on them written as SEG and SR.

A task holds all that is needed and an answer all that came of it, so that any process can do it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from dicom_archive.derived import Derived, write
from dicom_archive.errors import BadImage
from dicom_archive.importing import masks as mask_files
from dicom_archive.importing.marks import Marks, Naming, drawn, label_map
from dicom_archive.importing.nifti import read_volume, read_volume_mask, wrap_volume
from dicom_archive.importing.slides import read_pyramid, read_tiles, wrap_slide
from dicom_archive.importing.sources import Found
from dicom_archive.instance import Instance, instance_from_bytes, instance_from_dataset
from dicom_archive.wrap import Fields, wrap_picture
from dicom_catalog.annotations import Box, LabelMap

SOURCE_FILE = "source_file"  # the label that keeps under which name a file came
FILES_A_PROCESS = 100  # fewer are read sooner than a process has started


@dataclass(frozen=True)
class Task:
    """One file to read, with what the teacher's options and tables say of it."""

    file: Found
    dataset: str
    patient: str
    fields: Fields
    labels: Mapping[str, Any]
    marks: Marks = field(default_factory=Marks)
    masks: tuple[Found, ...] = ()
    naming: Naming = field(default_factory=Naming)


@dataclass
class Taken:
    """What a task gave: instances and derived objects, or the reason why nothing."""

    file: Found
    instances: list[Instance] = field(default_factory=list)
    derived: list[Derived] = field(default_factory=list)
    reason: str = ""


def read_all(tasks: Sequence[Task], processes: int) -> Iterator[Taken]:
    """The answers in the order of the tasks, few at a time in memory."""
    if processes == 1:
        yield from map(take, tasks)
        return
    # spawn: a process that holds threads must not be forked.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        waiting: list[Future[list[Taken]]] = []
        groups = _groups(tasks)
        for group in islice(groups, 2 * processes):
            waiting.append(pool.submit(take_all, group))
        while waiting:
            yield from waiting.pop(0).result()
            for group in islice(groups, 1):
                waiting.append(pool.submit(take_all, group))


def _groups(tasks: Sequence[Task]) -> Iterator[list[Task]]:
    """A volume or a slide by itself, small files by the dozen."""
    group: list[Task] = []
    for task in tasks:
        group.append(task)
        if len(group) == 16 or task.file.kind not in ("dicom", "picture"):
            yield group
            group = []
    if group:
        yield group


def take_all(tasks: Sequence[Task]) -> list[Taken]:
    """`take` for each task."""
    return [take(task) for task in tasks]


def take(task: Task) -> Taken:
    """Read one file; a broken one gives the reason, never an exception."""
    try:
        instances = _instances(task)
        for one in instances:
            one.labels = dict(task.labels)
        return Taken(task.file, instances, _derived(task, instances))
    except BadImage as error:
        return Taken(task.file, reason=str(error))
    except OSError as error:
        return Taken(task.file, reason=f"it cannot be read ({error.strerror})")


def _instances(task: Task) -> list[Instance]:
    file, path = task.file, task.file.key.path
    if file.kind == "dicom":
        return [instance_from_bytes(file.path.read_bytes())]
    if file.kind == "tiles":
        made = wrap_slide(
            read_tiles(file.parts, task.fields.pixel_spacing),
            task.dataset, path, task.patient, task.fields,
        )  # fmt: skip
    elif file.kind == "slide":
        levels = read_pyramid(file.path, task.fields.pixel_spacing)
        made = wrap_slide(levels, task.dataset, path, task.patient, task.fields)
    elif file.kind == "nifti":
        data = file.path.read_bytes()
        times = wrap_volume(data, task.dataset, path, task.patient, task.fields)
        made = [dataset for one in times for dataset in one]
    else:
        data = file.path.read_bytes()
        made = [wrap_picture(data, task.dataset, path, task.patient, task.fields)]
    return [instance_from_dataset(one) for one in made]


def _derived(task: Task, instances: Sequence[Instance]) -> list[Derived]:
    maps, boxes = _marked(task, instances)
    if not maps and not boxes:
        return []
    uids = {uid for one in maps for uid, _ in one.frames} | {box.instance_uid for box in boxes}
    headers = {one.uid: header(one.data) for one in instances if one.uid in uids}
    known = {name: value for name, value in task.labels.items() if name != SOURCE_FILE}
    labels = {uid: known for uid in headers}
    return list(write(maps, boxes, headers, labels))


def header(data: bytes) -> Dataset:
    """All of a DICOM file but its pixels."""
    return pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)


def _marked(task: Task, instances: Sequence[Instance]) -> tuple[list[LabelMap], list[Box]]:
    first = instances[0]
    rows, columns = int(first.row["rows"]), int(first.row["columns"])
    maps: list[LabelMap] = []
    boxes: list[Box] = []
    if task.marks != Marks():
        if len(instances) != 1 or int(first.row["number_of_frames"]) != 1:
            raise BadImage("boxes and shapes are taken for single images, not for volumes")
        maps, boxes = drawn(task.marks, first.uid, rows, columns)
    if task.masks and task.file.kind == "nifti":
        maps += _volume_maps(task, instances)
    elif task.masks:
        read = [mask_files.read_mask(one.path.read_bytes()) for one in task.masks]
        if any(mask.shape != (rows, columns) for mask in read):
            raise BadImage(
                f"its mask has {read[0].shape[1]} x {read[0].shape[0]} pixels, the image "
                f"{columns} x {rows}"
            )
        maps += _maps(read, ((first.uid, 0),), task.naming)
    return maps, boxes


def _maps(
    read: Sequence[NDArray[Any]], frames: tuple[tuple[str, int], ...], naming: Naming
) -> list[LabelMap]:
    arrays = mask_files.joined(read, naming)
    return [
        label_map(one if one.ndim == 3 else one[None], frames, naming)
        for one in arrays
        if one.any()
    ]


def _volume_maps(task: Task, instances: Sequence[Instance]) -> list[LabelMap]:
    volumes = read_volume(task.file.path.read_bytes())
    if len(volumes) != 1:
        raise BadImage("masks are taken for volumes of one time point")
    shape, affine = volumes[0].values.shape, volumes[0].affine
    read = [read_volume_mask(one.path.read_bytes(), affine, shape) for one in task.masks]
    frames = tuple((one.uid, 0) for one in instances)
    return _maps([np.asarray(one) for one in read], frames, task.naming)
