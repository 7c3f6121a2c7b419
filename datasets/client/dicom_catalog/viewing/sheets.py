"""Static pictures by matplotlib: one image on axes, a sheet of several."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from dicom_catalog.dataset import Dataset
from dicom_catalog.errors import NotInstalled
from dicom_catalog.image import Image

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw(
    image: Image, center: float | None = None, width: float | None = None, ax: Axes | None = None
) -> Axes:
    """One image with window and level on matplotlib axes, titled with its label."""
    plt = _pyplot()
    axes: Axes = plt.subplots(figsize=(5, 5))[1] if ax is None else ax
    spacing = image.spacing or (1.0, 1.0)
    grey = image.windowed(center, width)
    axes.imshow(grey, cmap="gray", vmin=0, vmax=1, aspect=spacing[0] / spacing[1])
    axes.set_title(str(image.label), fontsize=10)
    axes.set_axis_off()
    return axes


def show(
    images: Dataset | Sequence[Image] | Iterable[Image],
    *,
    count: int = 8,
    columns: int = 4,
    center: float | None = None,
    width: float | None = None,
) -> Figure:
    """A sheet of the first `count` images, each titled with its label."""
    plt = _pyplot()
    chosen = [image for image, _ in zip(images, range(count), strict=False)]
    columns = max(1, min(columns, len(chosen)))
    lines = max(1, -(-len(chosen) // columns))
    figure: Figure
    figure, axes = plt.subplots(
        lines, columns, figsize=(3 * columns, 3.2 * lines), squeeze=False, layout="constrained"
    )
    for place in axes.flat:
        place.set_axis_off()
    for image, place in zip(chosen, axes.flat, strict=False):
        draw(image, center, width, place)
    plt.close(figure)
    return figure


def _pyplot() -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise NotInstalled(
            "This picture needs matplotlib, which this image does not have. Start a session with "
            "the imaging image, or look at one image with display(dataset[0])."
        ) from error
    return plt
