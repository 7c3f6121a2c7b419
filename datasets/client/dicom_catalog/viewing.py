"""Looking at images: static pictures by matplotlib, a viewer with sliders by ipywidgets.

Neither needs a network. Both packages are optional for the rest of `dicom_catalog`, so they are
imported where they are used.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from dicom_catalog.dataset import Dataset
from dicom_catalog.errors import NotInstalled
from dicom_catalog.image import Image
from dicom_catalog.pictures import png_bytes

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


def look(dataset: Dataset, size: int = 480) -> Any:
    """A viewer: choose the image, move window and level; arrow keys work on each slider.

    Returns an ipywidgets box; the sliders start at the image's own window.
    """
    widgets = _widgets()
    if len(dataset) == 0:
        return widgets.HTML("This dataset has no images.")
    return _Viewer(widgets, dataset, size).box


class _Viewer:
    def __init__(self, widgets: Any, dataset: Dataset, size: int) -> None:
        self.dataset = dataset
        wide = widgets.Layout(width=f"{size}px")
        self.number = widgets.IntSlider(
            0, 0, len(dataset) - 1, description="image", layout=wide, readout=True
        )
        self.center = widgets.FloatSlider(description="level", layout=wide, readout_format=".0f")
        self.width = widgets.FloatSlider(description="window", layout=wide, readout_format=".0f")
        self.picture = widgets.Image(format="png", width=size)
        self.caption = widgets.HTML()
        reset = widgets.Button(description="own window")
        self.box = widgets.VBox(
            [self.caption, self.picture, self.number, self.center, self.width, reset]
        )
        self.open()
        self.number.observe(lambda _: self.open(), names="value")
        self.center.observe(lambda _: self.paint(), names="value")
        self.width.observe(lambda _: self.paint(), names="value")
        reset.on_click(lambda _: self.own_window())

    def open(self) -> None:
        """Read the chosen image, span the sliders over its values, start at its own window."""
        self.image = self.dataset[self.number.value]
        self.values = self.image.values
        low, high = float(self.values.min()), float(self.values.max())
        span = max(high - low, 1.0)
        center, width = self.image.window
        _span(self.center, min(low, center), max(high, center), span / 200)
        _span(self.width, span / 200, max(2 * span, width), span / 200)
        self.caption.value = f"<b>{self.image.label}</b> &middot; patient {self.image.patient_id}"
        self.own_window()

    def own_window(self) -> None:
        """Set both sliders to the window that the image names."""
        self.center.value, self.width.value = self.image.window
        self.paint()

    def paint(self) -> None:
        """Show the image with what the sliders say."""
        grey = self.image.grey(self.values, self.center.value, self.width.value)
        self.picture.value = png_bytes(grey)


def _span(slider: Any, low: float, high: float, step: float) -> None:
    # ipywidgets refuses a minimum above the present maximum, so the range is opened first.
    slider.min, slider.max = min(low, slider.min), max(high, slider.max)
    slider.min, slider.max, slider.step = low, high, step


def _pyplot() -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise NotInstalled(
            "This picture needs matplotlib, which this image does not have. Start a session with "
            "the imaging image, or look at one image with display(dataset[0])."
        ) from error
    return plt


def _widgets() -> Any:
    try:
        import ipywidgets
    except ImportError as error:
        raise NotInstalled(
            "The viewer needs ipywidgets, which this image does not have. Start a session with "
            "the imaging image, or look at one image with display(dataset[0])."
        ) from error
    return ipywidgets
