"""A reader for MONAI: `LoadImaged("image", reader=CatalogReader())` on `dataset.items()`.

It gives what MONAI's ITKReader gives for the same series, some fifty times sooner: the array runs
(column, row, slice), rescaled, and the affine takes these indices to RAS (or LPS) millimetres. A
path that ends in "#masks" gives the masks of that series or image instead, a structure a channel
(last), "#mask=NAME" one structure alone, "#labels" the label map. Folders and files outside a
published version are read, too.

This module needs MONAI; nothing else in this package imports it.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dicom_catalog.catalog import Catalog
from dicom_catalog.dataset import Dataset
from dicom_catalog.errors import NoSuchLabel, NotAVolume, NotInstalled, NotReadable, unknown
from dicom_catalog.folder import read_folder
from dicom_catalog.image import Image
from dicom_catalog.learning import structures, version_folder
from dicom_catalog.series import Series
from dicom_catalog.upright import System

try:
    _ImageReader: Any = importlib.import_module("monai.data").ImageReader
except ImportError as error:
    raise NotInstalled(
        "CatalogReader needs MONAI, which this image does not have. Start a session with the image "
        "'imaging', or use dataset.arrays() or series.array(), which need numpy only.",
        given="monai",
    ) from error

_OPEN_VERSIONS = 8


@dataclass(frozen=True)
class Found:
    """What a path led to: one image or series, and which of its arrays is wanted."""

    of: Image | Series
    part: str = ""
    names: tuple[str, ...] = ()


class CatalogReader(_ImageReader):  # type: ignore[misc]
    """Reads images, series and masks by path; `affine_lps_to_ras` as in MONAI's own readers."""

    def __init__(self, affine_lps_to_ras: bool = True) -> None:
        super().__init__()
        self.affine_lps_to_ras = affine_lps_to_ras

    def verify_suffix(self, filename: Any) -> bool:
        """Whether this reader takes the file: a folder, a DICOM file, or a part of one (#masks)."""
        names = [filename] if isinstance(filename, str | Path) else list(filename)
        paths = [Path(str(name).partition("#")[0]) for name in names]
        return all(path.is_dir() or path.suffix in ("", ".dcm") for path in paths)

    def read(self, data: Any, **kwargs: Any) -> Any:
        """The image or series at a path, or a list of them for a list of paths."""
        names = [data] if isinstance(data, str | Path) else list(data)
        found = [find(str(name)) for name in names]
        return found[0] if len(found) == 1 else found

    def get_data(self, img: Any) -> tuple[NDArray[Any], dict[str, Any]]:
        """The array (column, row[, slice][, channel]) and what MONAI wants to know of it.

        A list of images of one size is stacked along a new first axis, the channel.
        """
        found = list(img) if isinstance(img, Sequence) else [img]
        arrays = [_array(one) for one in found]
        meta = self._meta(found[0], arrays[0])
        if len(arrays) == 1:
            return arrays[0], meta
        return np.stack(arrays), meta | {"original_channel_dim": 0}

    def _meta(self, found: Found, array: NDArray[Any]) -> dict[str, Any]:
        spatial = 3 if isinstance(found.of, Series) or found.of.frame_count > 1 else 2
        system: System = "RAS" if self.affine_lps_to_ras else "LPS"
        affine = _affine(found.of, system)
        return {
            "affine": affine,
            "original_affine": affine.copy(),
            "space": system,
            "spacing": np.linalg.norm(affine[:3, :3], axis=0)[:spatial],
            "spatial_shape": np.asarray(array.shape[:spatial]),
            "original_channel_dim": float("nan") if array.ndim == spatial else -1,
        }


def find(name: str) -> Found:
    """What the path `name` (with "#masks", "#mask=NAME" or "#labels" behind it) leads to.

    Raises NotReadable where there is no DICOM image.
    """
    base, _, part = name.partition("#")
    path = Path(base).absolute()
    folder = version_folder(path)
    if folder is None:
        return Found(_unpublished(path), part)
    dataset = _opened(folder)
    inside = path.relative_to(folder).as_posix()
    paths = dataset._rows["path"]
    below = dataset._rows[(paths == inside) | paths.str.startswith(inside + "/")]
    if below.empty:
        raise NotReadable(f"There is no image of {dataset.name} at {path}.", given=name)
    names = tuple(structures(dataset))
    if path.is_dir():
        return Found(_one_series(dataset, path, list(below["series_uid"].unique())), part, names)
    return Found(dataset.image(str(below["instance_uid"].iloc[0])), part, names)


def _one_series(dataset: Dataset, path: Path, uids: list[str]) -> Series:
    if len(uids) > 1:
        raise NotReadable(
            f"In {path} lie {len(uids)} series. Give the folder of one: dataset.items() has them.",
            given=str(path),
            allowed=uids,
        )
    return dataset.one_series(uids[0])


def _unpublished(path: Path) -> Series:
    found = read_folder(path)
    if len(found) != 1:
        raise NotReadable(
            f"In {path} lie {len(found)} series, not one. read_folder() tells them apart.",
            given=str(path),
        )
    return found[0]


@lru_cache(maxsize=_OPEN_VERSIONS)
def _opened(folder: Path) -> Dataset:
    return Catalog(folder.parents[1])[f"{folder.parent.name}@{folder.name}"]


def _array(found: Found) -> NDArray[Any]:
    one = found.of
    slices = 1 if isinstance(one, Series) or one.frame_count > 1 else 0
    if not found.part:
        array = one.array("rescaled")
        # Space turned round, colour still last.
        coloured = array.ndim > 2 + slices
        return np.moveaxis(array.T, 0, -1) if coloured else array.T
    if found.part == "labels":
        return _label_values(one, slices).T
    if found.part == "masks":
        masks = [_mask(one, name) for name in found.names]
        if not masks:
            raise NotReadable("This version has no masks: leave '#masks' away.", given=found.part)
        return np.stack([mask.T for mask in masks], axis=-1)
    key, _, name = found.part.partition("=")
    if key != "mask" or name not in found.names:
        raise unknown(NoSuchLabel, "structure", name or found.part, found.names)
    return _mask(one, name).T


def _mask(one: Image | Series, name: str) -> NDArray[np.uint8]:
    mask = one.masks().get(name)
    if mask is None:
        return np.zeros(_shape(one), dtype=np.uint8)
    return mask.astype(np.uint8)


def _label_values(one: Image | Series, slices: int) -> NDArray[Any]:
    found = one.label_map()
    if found is None:
        return np.zeros(_shape(one), dtype=np.uint8)
    return found.values if slices else found.values[0]


def _shape(one: Image | Series) -> tuple[int, ...]:
    if isinstance(one, Series):
        return one.shape[:3]
    single = (one.rows, one.columns)
    return single if one.frame_count == 1 else (one.frame_count, *single)


def _affine(one: Image | Series, system: System) -> NDArray[np.float64]:
    """The affine; of what has none, the spacing alone, as ITK has it."""
    if isinstance(one, Series):
        try:
            return one.affine(system)
        except NotAVolume:
            one = one.images[0]
    row, column = one.spacing or (1.0, 1.0)
    signs = (-1, -1, 1, 1) if system == "RAS" else (1, 1, 1, 1)
    return np.diag(np.array([column, row, 1.0, 1.0]) * signs)
