"""A version's labels in the formats in which labels come in: COCO, Pascal VOC, CSV, PNG, NIfTI.

What an import took from a format it gives back in it: the same boxes, shapes, mask values and
cells, under the names that the files came with. A mask of one structure is written as 0 and 255 in
PNG, as 0 and 1 in NIfTI.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dicom_archive.errors import NotGivenBack
from dicom_archive.importing.coco import GivenBack, write_coco
from dicom_archive.importing.marks import mask_runs
from dicom_archive.importing.masks import mask_png, stem
from dicom_archive.importing.reader import SOURCE_FILE
from dicom_archive.importing.tables import box_rows
from dicom_archive.importing.voc import write_voc
from dicom_catalog import Dataset
from dicom_catalog.annotations import Box, LabelMap
from dicom_catalog.errors import NotAVolume, OverlappingMasks
from dicom_catalog.image import Image
from dicom_catalog.series import Series


def give_back(dataset: Dataset, kind: str, folder: Path) -> int:
    """Write the labels of `dataset` as `kind` into `folder`; how many files that made.

    Raises NotGivenBack where there is no label of that kind, or `folder` holds files already.
    """
    if folder.exists() and any(folder.iterdir()):
        raise NotGivenBack(f"{folder} is not empty. Name a new folder: nothing is overwritten.")
    if kind not in KINDS:
        raise NotGivenBack(f"There is no format '{kind}'. There is: {', '.join(KINDS)}.")
    folder.mkdir(parents=True, exist_ok=True)
    written = KINDS[kind](dataset, folder)
    if not written:
        folder.rmdir()
        raise NotGivenBack(
            f"{dataset.name}@{dataset.version} has no labels that {kind} can hold. Boxes go into "
            "coco, voc and csv, masks into png, nifti and coco, columns into csv."
        )
    return written


def file_name(image: Image) -> str:
    """Under which name an image came: its path then, else its path in the version."""
    return str(image.labels.get(SOURCE_FILE) or f"{image.uid}.dcm")


def _csv(dataset: Dataset, folder: Path) -> int:
    rows, boxes = [], []
    columns = [name for name in dataset[0].labels if name != SOURCE_FILE]
    for image in dataset:
        file = file_name(image)
        own = {"file": file, "patient_id": image.patient_id, "split": image.split}
        rows.append({**own, **{name: image.labels[name] for name in columns}})
        boxes.append(box_rows(file, image.boxes()))
    pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)
    if not any(row["name"] for some in boxes for row in some):
        return 1
    table = pd.DataFrame([row for some in boxes for row in some])
    table.to_csv(folder / "boxes.csv", index=False)
    return 2


def _voc(dataset: Dataset, folder: Path) -> int:
    found = [(image, image.boxes()) for image in dataset]
    if not any(boxes for _, boxes in found):
        return 0
    for image, boxes in found:
        file = file_name(image)
        target = _inside(folder, Path(file).with_suffix(".xml"))
        target.write_bytes(
            write_voc(
                file,
                image.rows,
                image.columns,
                1 if image.photometric.startswith("MONO") else 3,
                boxes,
            )
        )
    return len(found)


def _coco(dataset: Dataset, folder: Path) -> int:
    images = []
    for image in dataset:
        boxes = image.boxes()
        if not any("segmentation" in box.more for box in boxes):
            boxes = [*boxes, *_boxes_of_masks(image)]
        images.append(GivenBack(file_name(image), image.rows, image.columns, boxes))
    names = sorted({box.name for one in images for box in one.boxes})
    if not names:
        return 0
    made = write_coco(images, names)
    (folder / "annotations.json").write_text(json.dumps(made, ensure_ascii=False), "utf-8")
    return 1


def _boxes_of_masks(image: Image) -> Iterator[Box]:
    """A box and its runs for each structure of an image, or for each object of a label map."""
    for name, mask in _structures(image.masks, image.label_map):
        if mask.ndim == 3:
            mask = mask[0]
        if not mask.any():
            continue
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        edges = map(float, (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
        left, top, right, bottom = edges
        runs = {"counts": mask_runs(mask), "size": list(mask.shape)}
        more = {"segmentation": runs, "area": int(mask.sum()), "iscrowd": 0}
        yield Box(image.uid, name, left, top, right, bottom, more=more)


def _structures(
    masks: Callable[[], Mapping[str, NDArray[np.bool_]]], label_map: Callable[[], LabelMap | None]
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    try:
        found = label_map()
    except OverlappingMasks:
        found = None
    if found is not None and found.objects:
        for value in np.unique(found.values[found.values > 0]):
            yield found.segments[0].name, np.asarray(found.values == value)
        return
    yield from masks().items()


def _png(dataset: Dataset, folder: Path) -> int:
    written = 0
    for series in dataset.series:
        for name, values in _values(series):
            for place, one in enumerate(values):
                target = _mask_path(series, name, ".png", place if len(values) > 1 else None)
                mask_png(one, _inside(folder, target))
                written += 1
    return written


def _nifti(dataset: Dataset, folder: Path) -> int:
    written = 0
    for series in dataset.series:
        found = _values(series, ones=True)
        if not found:
            continue
        try:
            affine = series.affine("RAS")
        except NotAVolume:
            continue
        for name, values in found:
            target = _inside(folder, _mask_path(series, name, ".nii.gz"))
            target.write_bytes(nifti_bytes(*_as_it_came(series, values, affine)))
            written += 1
    return written


def _as_it_came(
    series: Series, values: NDArray[Any], affine: NDArray[np.float64]
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Slices in the order of their instance numbers, which is the order of the file they were."""
    first, last = (series.images[place].dicom().get("InstanceNumber") for place in (0, -1))
    if first is None or last is None or int(first) <= int(last):
        return values, affine
    turned = affine.copy()
    turned[:3, 3] += affine[:3, 2] * (len(values) - 1)
    turned[:3, 2] *= -1
    return values[::-1], turned


def nifti_bytes(values: NDArray[Any], affine: NDArray[np.float64]) -> bytes:
    """A compressed NIfTI file of (k, j, i) values; the same input gives the same bytes."""
    kind: Any = nibabel.Nifti1Image
    image = kind(np.ascontiguousarray(values).T, affine)
    return gzip.compress(image.to_bytes(), mtime=0)


def _values(series: Series, ones: bool = False) -> list[tuple[str, NDArray[Any]]]:
    """What is to be written of a series: suffix and values (slices, rows, columns)."""
    try:
        found = series.label_map()
    except OverlappingMasks:
        # One file a structure, because a pixel of one file has one value.
        return [(name, mask.astype(np.uint8) * 255) for name, mask in series.masks().items()]
    if found is None:
        return []
    if found.objects or len(found.segments) > 1:
        return [("labels", found.values)]
    return [("mask", (found.values > 0).astype(np.uint8) * (1 if ones else 255))]


def _mask_path(series: Series, name: str, ending: str, place: int | None = None) -> Path:
    image = series.images[0]
    file = Path(file_name(image) if SOURCE_FILE in image.labels else f"{series.uid}.dcm")
    slice_number = "" if place is None else f"_{place:04d}"
    return file.with_name(f"{stem(file.name)}{slice_number}_{name}{ending}")


def _inside(folder: Path, path: Path) -> Path:
    target = Path(os.path.normpath(folder / path))
    if not target.is_relative_to(folder):
        raise NotGivenBack(f"The name {path} leads out of {folder}; nothing is written there.")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


KINDS: dict[str, Callable[[Dataset, Path], int]] = {
    "coco": _coco,
    "voc": _voc,
    "csv": _csv,
    "png": _png,
    "nifti": _nifti,
}
