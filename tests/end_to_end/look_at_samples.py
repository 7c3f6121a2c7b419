"""Run in a student's container by test_samples_in_a_container: what a notebook sees of a set."""

from __future__ import annotations

import json
import sys
from typing import Any

import highdicom
import numpy as np
import pydicom
import SimpleITK as sitk

from dicom_catalog import Catalog


def look(name: str) -> dict[str, Any]:
    dataset = Catalog()[name]
    marked = next((s for s in dataset.series if s.boxes() or s.masks()), dataset.series[0])
    array = marked.array()
    seen: dict[str, Any] = {
        "splits": sorted(dataset.splits),
        "patients": len(dataset.patients),
        "kind": marked.kind,
        "shape": list(array.shape),
        "finite": bool(np.isfinite(array.astype(float)).all()),
        "spread": float(array.std()),
        "synthetic": dataset.card.synthetic,
        "said_in_header": "SYNTHETIC" in str(marked.images[0].dicom()),
        "marked_pixels": int(sum(mask.sum() for mask in marked.masks().values())),
        "boxes": len(marked.boxes()),
        "derived": derived(dataset, marked),
    }
    if marked.kind == "volume" and len(array) > 1:
        seen |= beside_others(marked, array)
    return seen


def derived(dataset: Any, series: Any) -> list[str]:
    """Modalities of the SEG and SR files of this patient, each opened by highdicom."""
    kinds = {
        "1.2.840.10008.5.1.4.1.1.66.4": highdicom.seg.segread,
        "1.2.840.10008.5.1.4.1.1.66.7": highdicom.seg.segread,
        "1.2.840.10008.5.1.4.1.1.88.33": highdicom.sr.srread,
        "1.2.840.10008.5.1.4.1.1.88.34": highdicom.sr.srread,
    }
    found = set()
    for path in sorted((dataset.folder / series.images[0].path).parents[2].rglob("*.dcm")):
        header = pydicom.dcmread(path, stop_before_pixels=True)
        if header.SOPClassUID in kinds:
            found.add(kinds[header.SOPClassUID](path).Modality)
    return sorted(found)


def beside_others(series: Any, array: np.ndarray) -> dict[str, Any]:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(
        reader.GetGDCMSeriesFileNames(str(series.images[0].path.parent), series.uid)
    )
    theirs = reader.Execute()
    affine = np.eye(4)
    direction = np.array(theirs.GetDirection()).reshape(3, 3)
    affine[:3, :3] = direction * np.array(theirs.GetSpacing())
    affine[:3, 3] = theirs.GetOrigin()
    from monai.transforms import LoadImaged

    from dicom_catalog.monai_reader import CatalogReader

    item = {"image": str(series.images[0].path.parent)}
    loaded = LoadImaged(keys=["image"], reader=CatalogReader())(item)
    return {
        "equals_simpleitk": bool(
            (sitk.GetArrayFromImage(theirs) == series.array("rescaled")).all()
        ),
        "affine_error": float(np.abs(affine - series.affine()).max()),
        "monai_shape": list(loaded["image"].shape),
    }


if __name__ == "__main__":
    print(json.dumps({name: look(name) for name in sys.argv[1:]}))
