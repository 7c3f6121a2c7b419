"""What one pane of the viewer shows: a stack of planes with their values, places and marks.

A stack comes from a Series, an Image or an array. Planes are cut along three axes: 0 gives slices
(rows, columns), 1 one row of every slice (slices, columns), 2 one column of every slice
(slices, rows); only slices are read one by one, the other two need the whole volume.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dicom_catalog.annotations import Box
from dicom_catalog.image import Image
from dicom_catalog.series import Series
from dicom_catalog.viewing.presets import presets, triple, window_of
from dicom_catalog.volume import read_frames

UNIT = (1.0, 0.0)  # slope and intercept of values that are what they are

MOST_MASKS = 31  # a mask is a bit of an unsigned 32-bit number; the last is for "more"


class Stack:
    """The planes of one series, image or array; reads what is asked for, when it is."""

    title = ""
    modality = ""
    unit = ""
    function = "LINEAR"
    inverted = False
    colour = False
    reason = ""
    seconds: float | None = None
    spacing: list[float] | None = None
    affine: list[float] | None = None  # 16 numbers by rows, LPS, (column, row, slice) -> mm
    window = (0.5, 1.0)

    def __init__(self, count: int) -> None:
        self.count = count
        self._marks: tuple[list[str], NDArray[Any] | None] | None = None
        self._given: dict[str, NDArray[np.bool_]] = {}
        self._boxes: list[dict[str, Any]] = []

    def slice(self, place: int) -> NDArray[Any]:
        """Values of one slice, (rows, columns) or (rows, columns, 3)."""
        raise NotImplementedError

    def whole(self) -> NDArray[Any]:
        """Values of all slices as one array, read at the first call."""
        raise NotImplementedError

    def scale(self) -> tuple[float, float]:
        """Slope and intercept that make the values of `slice` and `whole` rescaled ones."""
        return 1.0, 0.0

    def read_masks(self) -> Mapping[str, NDArray[np.bool_]]:
        """The masks that the dataset has of this stack, each (slices, rows, columns)."""
        return {}

    def read_boxes(self) -> list[dict[str, Any]]:
        """The boxes that the dataset has: name, edges in pixels, first and last slice."""
        return []

    def add(self, masks: Mapping[str, Any], boxes: Sequence[Any]) -> None:
        """Lay further masks and boxes over the stack: a student's own, a network's answer."""
        shape = (self.count, *self.slice(0).shape[:2])
        for name, mask in masks.items():
            array = _host(mask) != 0
            if array.size != int(np.prod(shape)):
                raise ValueError(
                    f"The mask '{name}' has the shape {array.shape}; the image has {shape} "
                    "(slices, rows, columns). Give a mask of the same shape."
                )
            self._given[str(name)] = array.reshape(shape)
        self._boxes += [_box(box, {}) for box in boxes]

    def plane(self, axis: int, place: int) -> NDArray[Any]:
        """One plane along an axis, contiguous and of a kind that a browser has an array for."""
        values = self.slice(place) if axis == 0 else np.take(self.whole(), place, axis)
        return browser_kind(values)

    def marks(self, axis: int, place: int) -> NDArray[Any] | None:
        """Bit k is set where mask k of `overlays()` is; None where the plane has no mask."""
        bits = self._bits()[1]
        if bits is None:
            return None
        plane = np.ascontiguousarray(np.take(bits, place, axis))
        return plane if plane.any() else None

    def overlays(self) -> dict[str, Any]:
        """Names of the masks, in the order of their bits, and all boxes."""
        return {"masks": self._bits()[0], "boxes": [*self.read_boxes(), *self._boxes]}

    def _bits(self) -> tuple[list[str], NDArray[Any] | None]:
        if self._marks is None:
            masks = {**self.read_masks(), **self._given}
            names = list(masks)[:MOST_MASKS] + ["..."] * (len(masks) > MOST_MASKS)
            self._marks = names, _packed(masks)
        return self._marks

    def info(self) -> dict[str, Any]:
        """What the browser knows of the stack before it asks for planes."""
        rows, columns = self.slice(0).shape[:2]
        return {
            "title": self.title,
            "modality": self.modality,
            "unit": self.unit,
            "function": self.function,
            "inverted": self.inverted,
            "colour": self.colour,
            "reason": self.reason,
            "seconds": self.seconds,
            "spacing": self.spacing,
            "affine": self.affine,
            "window": list(self.window),
            "shape": [self.count, rows, columns],
            "presets": presets(self.modality, self.unit),
        }


class ArrayStack(Stack):
    """An array of anyone's: (rows, columns), (slices, rows, columns), each with 3 colours last.

    Batches as networks take them, (n, 1, rows, columns) and (n, 3, rows, columns), are understood.
    """

    def __init__(
        self,
        array: Any,
        spacing: Sequence[float] | None = None,
        affine: Any = None,
        title: str = "",
    ) -> None:
        values = _slices(_host(array))
        super().__init__(len(values))
        self.values = values
        self.colour = values.ndim == 4
        self.title = title
        self.spacing = triple(spacing)
        if affine is not None:
            grid = np.asarray(affine, dtype=np.float64)
            self.affine = grid.ravel().tolist()
            self.spacing = [float(np.linalg.norm(grid[:3, k])) for k in (2, 1, 0)]
        self.window = (127.5, 255.0) if self.colour else window_of(values)
        self.function = "LINEAR_EXACT"

    def slice(self, place: int) -> NDArray[Any]:
        """Values of one slice, a view."""
        return np.asarray(self.values[place])

    def whole(self) -> NDArray[Any]:
        """The array itself."""
        return self.values


class FramesStack(Stack):
    """The frames of a Series or of an Image, read from their byte ranges as they are asked for."""

    def __init__(self, thing: Series | Image) -> None:
        super().__init__(len(thing.frames))
        self.thing = thing
        self.colour = thing.frames[0].format.samples == 3
        self.modality = thing.modality
        self.title = title_of(thing)
        self.spacing = triple(thing.spacing)
        self.affine = _affine(thing)
        self.reason = thing.reason if isinstance(thing, Series) and self.affine is None else ""
        self.function = thing.voi_function
        self.inverted = thing.photometric == "MONOCHROME1"
        self.window = (127.5, 255.0) if self.colour else thing.window
        self.unit = "HU" if self.modality == "CT" else ""
        first = thing.images[0] if isinstance(thing, Series) else thing
        self.seconds = first.frame_seconds
        scales = {frame.scale("rescaled") for frame in thing.frames}
        # One scale for a plane: where slices differ in theirs (PET), rescaled values are sent.
        self._values = "stored" if len(scales) == 1 else "rescaled"
        self._scale: tuple[float, float] = scales.pop() if len(scales) == 1 else UNIT
        self._whole: NDArray[Any] | None = None

    def slice(self, place: int) -> NDArray[Any]:
        """Values of one slice: stored ones, where all slices have one rescale."""
        if self._whole is not None:
            return np.asarray(self._whole[place])
        return np.asarray(read_frames([self.thing.frames[place]], self._values)[0])

    def whole(self) -> NDArray[Any]:
        """The same values of all slices."""
        if self._whole is None:
            self._whole = read_frames(self.thing.frames, self._values)
        return self._whole

    def scale(self) -> tuple[float, float]:
        """Slope and intercept of what `slice` and `whole` give."""
        return self._scale

    def read_masks(self) -> Mapping[str, NDArray[np.bool_]]:
        """The masks of the version, aligned to the slices."""
        return {name: mask[None] if mask.ndim == 2 else mask
                for name, mask in self.thing.masks().items()}  # fmt: skip

    def read_boxes(self) -> list[dict[str, Any]]:
        """The boxes of the version, each with the slices that it goes through."""
        frames = enumerate(self.thing.frames)
        places = {(frame.instance_uid, frame.frame): place for place, frame in frames}
        return [_box(box, places) for box in self.thing.boxes()]


def title_of(thing: Series | Image) -> str:
    """Label, description, patient and split in a line, of what is known."""
    description = thing.description if isinstance(thing, Series) else ""
    words = (thing.label, description, thing.patient_id, thing.split)
    return " · ".join(str(word) for word in words if word not in (None, "", "nan"))


def browser_kind(values: NDArray[Any]) -> NDArray[Any]:
    """The same values, contiguous, little endian, of a type that JavaScript has an array for.

    64-bit integers and floats become float32: what is shown has fewer than 2^24 greys.
    """
    if values.dtype == np.bool_:
        values = values.view(np.uint8)
    elif values.dtype.itemsize > 4 or values.dtype == np.float16:
        values = values.astype(np.float32)
    return np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))


def _packed(masks: Mapping[str, NDArray[np.bool_]]) -> NDArray[Any] | None:
    if not masks:
        return None
    few = len(masks) <= 8
    shape = next(iter(masks.values())).shape
    bits = np.zeros(shape, dtype=np.uint8 if few else np.uint32)
    for number, mask in enumerate(masks.values()):
        bit = bits.dtype.type(1 << min(number, MOST_MASKS))
        np.bitwise_or(bits, bit, out=bits, where=np.asarray(mask))
    return bits


def _host(array: Any) -> NDArray[Any]:
    """A numpy array of an array or of a tensor, wherever that lies."""
    if hasattr(array, "detach"):
        array = array.detach().cpu()
    return np.asarray(array)


def _slices(values: NDArray[Any], colour: bool | None = None) -> NDArray[Any]:
    """(slices, rows, columns) or (slices, rows, columns, 3) of any array that `look` takes."""
    if values.ndim == 4 and values.shape[1] in (1, 3) and values.shape[-1] not in (1, 3):
        values = np.moveaxis(values, 1, -1)
    if values.ndim == 4 and values.shape[-1] == 1:
        values = values[..., 0]
    if colour is None:
        colour = values.ndim == 4 or (values.ndim == 3 and values.shape[-1] == 3)
    wanted = 4 if colour else 3
    if values.ndim == wanted - 1:
        values = values[None]
    if values.ndim != wanted or 0 in values.shape:
        raise ValueError(
            f"An array of the shape {values.shape} is no picture. Give (rows, columns) or "
            "(slices, rows, columns), colour with a last axis of 3."
        )
    if colour and values.dtype.kind == "f":
        values = np.clip(values * 255, 0, 255)
    return values.astype(np.uint8) if colour and values.dtype != np.uint8 else values


def _affine(thing: Series | Image) -> list[float] | None:
    if not isinstance(thing, Series) or thing.kind != "volume":
        return None
    return [float(number) for number in thing.affine("LPS").ravel()]


def _box(box: Box | Mapping[str, Any], places: Mapping[tuple[str, int], int]) -> dict[str, Any]:
    """A box as the browser takes it: edges in pixels, and slices from first to last."""
    if isinstance(box, Mapping):
        box = Box(instance_uid="", **{"name": "", **box})
    here = places.get((box.instance_uid, box.frame), box.frame)
    first = here if box.first is None else box.first
    edges = {side: float(getattr(box, side)) for side in ("left", "top", "right", "bottom")}
    last = first if box.last is None else int(box.last)
    return {"name": box.name, **edges, "first": int(first), "last": last}
