"""`look`: opens the viewer on anything that is a picture."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from dicom_catalog.dataset import Dataset
from dicom_catalog.errors import NotInstalled
from dicom_catalog.image import Image
from dicom_catalog.series import Series
from dicom_catalog.upright import Volume
from dicom_catalog.viewing.stacks import ArrayStack, FramesStack, Stack

Case = Callable[[], Stack]


def look(
    *things: Any,
    size: int = 480,
    masks: Mapping[str, Any] | None = None,
    boxes: Sequence[Any] = (),
    spacing: Sequence[float] | None = None,
    window: tuple[float, float] | None = None,
    planes: bool = False,
    marks: bool = True,
    language: str | None = None,
) -> Any:
    """A viewer of one or several datasets, series, images, volumes or arrays, side by side.

    A dataset is gone through case by case; two series of one patient are linked by their position
    in millimetres. Arrays are (rows, columns) or (slices, rows, columns), colour with 3 last, or a
    network's batch (n, 1, rows, columns). `masks` {name: array of the first one's shape} and
    `boxes` (Box, or a dict with name, left, top, right, bottom in pixels) are laid over the first;
    `spacing` is that of arrays in mm, (row, column) or (slice, row, column); `window` is (center,
    width); `planes` begins with three planes; with `marks=False` masks and boxes begin switched
    off, for whoever is to guess first; `size` is the height of the pictures in CSS pixels.
    Returns a widget (ipywidgets); press h in it for all keys. Raises NotInstalled without
    ipywidgets and anywidget.
    """
    widgets = _widgets()
    panes = [cases for thing in _flat(things) if (cases := _cases(thing, spacing))]
    if not panes:
        return widgets.HTML("There is nothing to see here: no images. This dataset has no images.")
    if masks or boxes:
        panes[0] = [partial(_marked, panes[0][0], masks or {}, boxes), *panes[0][1:]]
    from dicom_catalog.viewing.widget import Viewer

    return Viewer(panes, size=size, window=window, planes=planes, marks=marks, language=language)


def _marked(case: Case, masks: Mapping[str, Any], boxes: Sequence[Any]) -> Stack:
    stack = case()
    stack.add(masks, boxes)
    return stack


def _flat(things: Sequence[Any]) -> list[Any]:
    """The things themselves; a list or tuple given as one is several."""
    flat: list[Any] = []
    for thing in things:
        several = isinstance(thing, list | tuple) and not (thing and np.isscalar(thing[0]))
        flat += _flat(thing) if several else [thing]
    return flat


def _cases(thing: Any, spacing: Sequence[float] | None) -> list[Case]:
    """What a pane goes through: each case is made when it is first shown."""
    if isinstance(thing, Dataset):
        return _cases_of_dataset(thing)
    if isinstance(thing, Image):
        return [partial(FramesStack, thing)]
    if isinstance(thing, Series):
        return _cases_of_series(thing)
    if isinstance(thing, Volume):
        return [partial(ArrayStack, thing.array, None, thing.matrix)]
    return [partial(ArrayStack, thing, spacing)]


def _cases_of_dataset(dataset: Dataset) -> list[Case]:
    """A series each where series are volumes or stacks, else an image each."""
    if len(dataset) == 0:
        return []
    series = dataset.series
    if series[0].kind != "images":
        return [partial(_series_case, series, number) for number in range(len(series))]
    return [partial(_image_case, dataset, number) for number in range(len(dataset))]


def _cases_of_series(series: Series) -> list[Case]:
    """One case, unless its images have nothing in common but the series."""
    if series.kind == "images" and len(series.images) > 1:
        return [partial(FramesStack, image) for image in series.images]
    return [partial(FramesStack, series)]


def _series_case(series: Sequence[Series], number: int) -> Stack:
    return FramesStack(series[number])


def _image_case(dataset: Dataset, number: int) -> Stack:
    return FramesStack(dataset[number])


def _widgets() -> Any:
    try:
        import ipywidgets

        importlib.import_module("anywidget")
    except ImportError as error:
        raise NotInstalled(
            "The viewer needs ipywidgets and anywidget, which this image does not have. Start a "
            "session with the imaging image, or look at one image with display(dataset[0])."
        ) from error
    return ipywidgets
