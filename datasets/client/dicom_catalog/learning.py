"""A dataset as what a training loop takes: dictionaries of image, masks, boxes and label.

`items(dataset)` names files, for a MONAI pipeline that loads them itself (`LoadImaged` with
`CatalogReader`). `Loaded(dataset)` is a sequence of arrays, read when they are asked for: numpy
only, channels first. Both are in the dataset's order and hold the same keys, so a recipe for one is
a recipe for the other. `torch_dataset.py` puts a cache behind the second.

An item is a series where the dataset's series have several slices, else an image.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from dicom_catalog import resample
from dicom_catalog.annotations import Box
from dicom_catalog.errors import NoSuchLabel, NoSuchValues, unknown
from dicom_catalog.image import Image
from dicom_catalog.layout import INDEX_NAME
from dicom_catalog.masks import read_structures
from dicom_catalog.series import Series

if TYPE_CHECKING:
    from dicom_catalog.dataset import Dataset

Item = dict[str, Any]
Unit = Literal["image", "series"]
UNITS = ("image", "series")
VALUES = ("grey", "stored", "rescaled", "hu", "suv")
MASKS = "#masks"  # behind the path of an image or a series: its masks, a channel a structure
_HALF = 0.5  # of an output pixel: from there on it belongs to the structure


def unit_of(dataset: Dataset, by: str | None = None) -> Unit:
    """What one item is: `by` where it is given, else a series where series have several slices."""
    if by is not None and by not in UNITS:
        raise unknown(NoSuchValues, "kind of item", by, UNITS)
    if by is not None:
        return "image" if by == "image" else "series"
    table = dataset.series_table()
    several = (table["frames"] > 1) & (table["kind"] != "images")
    return "series" if bool(several.any()) else "image"


def structures(dataset: Dataset) -> list[str]:
    """What is marked by masks in this version, in the order of the channels of `mask`.

    As the card lists them; names that it does not know come after, sorted.
    """
    with dataset._index.connection() as connection:
        found = read_structures(connection)
    known = [name for name in dataset.card.structures if name in found]
    return known + [name for name in found if name not in known]


def root_of(dataset: Dataset) -> str:
    """What identifies the bytes of this version: the manifest's root hash, else the index's."""
    try:
        root = json.loads((dataset.folder / "manifest.json").read_text(encoding="utf-8"))["root"]
        return str(root)
    except (OSError, ValueError, KeyError):
        return hashlib.sha256((dataset.folder / INDEX_NAME).read_bytes()).hexdigest()


def items(dataset: Dataset, by: str | None = None) -> list[Item]:
    """One dictionary an item, as MONAI's transforms take them.

    `image` is the path of a file, or of the folder of a series; `mask` the same with "#masks" where
    the version has masks; `label` the class number where the card names a target and all images of
    the item agree; `patient_id`, `split` and `uid` say what it is. Load with
    `LoadImaged(["image", "mask"], reader=CatalogReader())`.
    """
    found = []
    marked = bool(structures(dataset))
    for one, label in zip(*_members(dataset, unit_of(dataset, by)), strict=True):
        path = str(one.path if isinstance(one, Image) else one.images[0].path.parent)
        item: Item = {"image": path}
        if marked:
            item["mask"] = path + MASKS
        if label is not None:
            item["label"] = label
        found.append(item | {"patient_id": one.patient_id, "split": one.split, "uid": one.uid})
    return found


def _members(dataset: Dataset, unit: Unit) -> tuple[Sequence[Image | Series], Sequence[int | None]]:
    """The images or series in order, and their class numbers; no numbers where one has none."""
    if unit == "image":
        images = list(dataset)
        numbers = dataset.labels().tolist() if dataset.target else [None] * len(images)
        return images, numbers
    series = list(dataset.series)
    classes = list(dataset.classes)
    labels = [one.label for one in series]
    if not classes or any(label not in classes for label in labels):
        return series, [None] * len(series)
    return series, [classes.index(label) for label in labels]


@dataclass
class Loaded(Sequence[Item]):
    """The items of a dataset as arrays, each read when it is asked for.

    Keys of an item (channels first; a slice axis only where the item is a series):

    - `image`: float32 (channels, [slices,] rows, columns). `values`: "grey" (0 to 1 by the image's
      own window, the default of images), "rescaled" (the default of series), "stored", "hu", "suv".
    - `mask`: uint8 (structures, [slices,] rows, columns), 0 or 1, in the order of `.structures`;
      zeros where nothing is marked; absent where the version has no masks.
    - `label`: the class number, where the card names a target.
    - `boxes`, with `boxes=True`: float32 (n, 4) as left, top, right, bottom in pixel edges, of a
      series (n, 6) as left, top, first, right, bottom, last + 1; and `box_labels`, int64 (n,):
      places in `.box_names`.

    `size`: images (not series) shrunk to that square as `Dataset.arrays` does, masks and boxes with
    them. Without it the images keep their own sizes.
    """

    dataset: Dataset
    size: int | None = None
    by: str | None = None
    values: str | None = None
    boxes: bool = False

    def __post_init__(self) -> None:
        unit = unit_of(self.dataset, self.by)
        self.values = self.values or ("grey" if unit == "image" else "rescaled")
        if self.values not in VALUES:
            raise unknown(NoSuchValues, "kind of values", self.values, VALUES)
        if self.size is not None and (unit == "series" or self.values != "grey"):
            raise NoSuchValues(
                f"size={self.size} shrinks images in grey values; these are {self.values} values "
                f"of {'series' if unit == 'series' else 'images'}. Leave size out and resize in a "
                "transform.",
                given=self.size,
            )
        self.unit: Unit = unit
        self.structures = structures(self.dataset)

    @cached_property
    def _all(self) -> tuple[Sequence[Image | Series], Sequence[int | None]]:
        return _members(self.dataset, self.unit)

    @cached_property
    def box_names(self) -> list[str]:
        """What the boxes of this version name, as the card lists it, then sorted."""
        with self.dataset._index.connection() as connection:
            lines = connection.execute("SELECT DISTINCT name FROM boxes ORDER BY 1").fetchall()
        found = [name for (name,) in lines]
        known = [name for name in self.dataset.card.structures if name in found]
        return known + [name for name in found if name not in known]

    @cached_property
    def _colour(self) -> bool:
        return bool((self.dataset._rows["samples"] > 1).any())

    @property
    def identity(self) -> tuple[Any, ...]:
        """All that the arrays depend on; half of a cache's key."""
        members, numbers = self._all
        uids = hashlib.sha256("\n".join(one.uid for one in members).encode()).hexdigest()
        options = (self.unit, self.size, self.values, self.boxes, tuple(self.structures))
        return root_of(self.dataset), uids, tuple(numbers), options

    def __len__(self) -> int:
        return len(self._all[0])

    # What a list gives for a slice, a training loop takes by `dataset.split()`.
    def __getitem__(self, number: int) -> Item:  # type: ignore[override]
        """Item `number`; IndexError beyond the last, as a list has it."""
        if not -len(self) <= number < len(self):
            raise IndexError(f"There is no item {number}: there are {len(self)}, from 0 on.")
        one, label = self._all[0][number], self._all[1][number]
        plain = self._pixels(one)
        slices = 0 if self.unit == "image" else 1
        item: Item = {"image": self._channels_first(one, plain, slices)}
        if self.structures:
            item["mask"] = self._mask(one, plain)
        if self.boxes:
            item |= self._boxes(one, plain)
        return item if label is None else item | {"label": label}

    def _pixels(self, one: Image | Series) -> NDArray[Any]:
        return one.array("rescaled" if self.values == "grey" else str(self.values))

    def _channels_first(
        self, one: Image | Series, values: NDArray[Any], slices: int
    ) -> NDArray[np.float32]:
        coloured = values.ndim > 2 + slices and values.shape[-1] == 3
        if self.values == "grey":
            image = one if isinstance(one, Image) else one.images[len(one.images) // 2]
            if self.size is not None:
                square = resample.shrink(values.astype(np.float32, copy=False), self.size)
                values = resample.centre(image.grey(square), self.size)
            else:
                values = image.grey(values.astype(np.float32, copy=False))
        channels = np.moveaxis(values, -1, 0) if coloured else values[None]
        if self._colour and not coloured:
            channels = np.repeat(channels, 3, axis=0)  # grey among colour: all items have 3
        return np.ascontiguousarray(channels, dtype=np.float32)

    def _mask(self, one: Image | Series, plain: NDArray[Any]) -> NDArray[np.uint8]:
        shape = plain.shape[:2] if self.unit == "image" else plain.shape[:3]
        if self.unit == "image" and isinstance(one, Image) and one.frame_count > 1:
            shape = plain.shape[:3]
        found = one.masks()
        masks = [found.get(name, np.zeros(shape, dtype=bool)) for name in self.structures]
        if self.size is None:
            return np.stack(masks).astype(np.uint8)
        shrunk = [resample.shrink(mask.astype(np.float32), self.size) for mask in masks]
        squares = [resample.centre(mask, self.size) for mask in shrunk]
        return (np.stack(squares) >= _HALF).astype(np.uint8)

    def _boxes(self, one: Image | Series, plain: NDArray[Any]) -> Item:
        found = one.boxes()
        for box in found:
            if box.name not in self.box_names:
                raise unknown(NoSuchLabel, "kind of box", box.name, self.box_names)
        moved = [self._edges(one, box, plain) for box in found]
        width = 4 if self.unit == "image" else 6
        return {
            "boxes": np.array(moved, dtype=np.float32).reshape(-1, width),
            "box_labels": np.array(
                [self.box_names.index(box.name) for box in found], dtype=np.int64
            ),
        }

    def _edges(self, one: Image | Series, box: Box, plain: NDArray[Any]) -> list[float]:
        if isinstance(one, Series):
            frames = [(frame.instance_uid, frame.frame) for frame in one.frames]
            place = frames.index((box.instance_uid, box.frame))
            first = place if box.first is None else box.first
            last = place if box.last is None else box.last
            return [box.left, box.top, first, box.right, box.bottom, last + 1]
        if self.size is None:
            return [box.left, box.top, box.right, box.bottom]
        rows, columns = plain.shape[:2]
        scale = self.size / max(rows, columns)
        high, wide = max(1, round(rows * scale)), max(1, round(columns * scale))
        top, left = (self.size - high) // 2, (self.size - wide) // 2
        x, y = wide / columns, high / rows
        return [left + box.left * x, top + box.top * y, left + box.right * x, top + box.bottom * y]


def version_folder(path: Path) -> Path | None:
    """The published version that a file or folder lies in, None where it lies in none."""
    return next((place for place in (path, *path.parents) if (place / INDEX_NAME).is_file()), None)
