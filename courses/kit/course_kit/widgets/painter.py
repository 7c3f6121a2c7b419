"""Draw a mask over an image with the pointer, and see at once how far it agrees with the truth.

`MaskPainter(grey, truth, spacing, unit)`: left button draws, Shift or the right button wipes, the slider
sets the brush. The mask comes back as `painter.mask` (bool, the image's shape). Dice and HD95 are
computed by the kernel, with the same functions that judge the network. With the keyboard: arrows
move the brush, Space draws, X wipes.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets
from numpy.typing import ArrayLike, NDArray

from course_kit import metrics
from course_kit.texts import spoken

TEXTS = {
    "brush": {"en": "Brush", "zh_CN": "画笔"},
    "clear": {"en": "Start again", "zh_CN": "重画"},
    "reveal": {"en": "Show the truth", "zh_CN": "显示真值"},
    "help": {
        "en": "Draw the outline of what you see and fill it. Shift wipes. Keys: arrows, Space, X wipes.",
        "zh_CN": "画出你看到的轮廓并填满。按住 Shift 擦除。键盘：方向键移动，空格画，X 擦。",
    },
    "empty": {"en": "Nothing is drawn yet.", "zh_CN": "还什么都没画。"},
    "result": {
        "en": "Dice {dice:.2f}, HD95 {hd95:.1f} {unit}",
        "zh_CN": "Dice {dice:.2f}，HD95 {hd95:.1f} {unit}",
    },
}


class MaskPainter(anywidget.AnyWidget):  # type: ignore[misc]
    """A canvas over one image; `mask`, `dice` and `hd95` (in `unit`) follow what is drawn."""

    _esm = Path(__file__).with_suffix(".js")
    rows = traitlets.Int().tag(sync=True)
    columns = traitlets.Int().tag(sync=True)
    grey = traitlets.Bytes().tag(sync=True)
    drawn = traitlets.Bytes().tag(sync=True)
    truth = traitlets.Bytes().tag(sync=True)
    told = traitlets.Unicode().tag(sync=True)
    words = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        grey: ArrayLike,
        truth: ArrayLike,
        spacing: Sequence[float] = (1.0, 1.0),
        unit: str = "mm",
    ) -> None:
        image = np.clip(np.asarray(grey, dtype=float), 0, 1)
        answer = np.asarray(truth).astype(bool)
        if image.ndim != 2 or image.shape != answer.shape:
            raise ValueError(
                f"one grey image and its mask are wanted, of one shape; given: {image.shape} and "
                f"{answer.shape}"
            )
        self._answer, self._spacing, self._unit = answer, spacing, unit
        self._still = image
        rows, columns = image.shape
        super().__init__(
            rows=rows,
            columns=columns,
            grey=(image * 255).astype(np.uint8).tobytes(),
            drawn=bytes(rows * columns),
            truth=answer.astype(np.uint8).tobytes(),
            told=spoken(TEXTS["empty"]),
            words={key: spoken(text) for key, text in TEXTS.items()},
        )
        self.observe(self._changed, names="drawn")

    @property
    def mask(self) -> NDArray[np.bool_]:
        """What is drawn, (rows, columns)."""
        flat = np.frombuffer(self.drawn, dtype=np.uint8)
        return flat.reshape(self.rows, self.columns).astype(bool)

    @mask.setter
    def mask(self, value: ArrayLike) -> None:
        given = np.asarray(value).astype(np.uint8)
        if given.shape != (self.rows, self.columns):
            raise ValueError(f"a mask of {(self.rows, self.columns)} is wanted, not {given.shape}")
        self.drawn = given.tobytes()

    @property
    def dice(self) -> float:
        """How far the drawing and the truth agree."""
        return metrics.dice(self.mask, self._answer)

    @property
    def hd95(self) -> float:
        """How far their outlines lie apart, in the unit of the spacing."""
        return metrics.hd95(self.mask, self._answer, self._spacing)

    def _changed(self, _: object) -> None:
        if not self.mask.any():
            self.told = spoken(TEXTS["empty"])
            return
        self.told = spoken(TEXTS["result"]).format(dice=self.dice, hd95=self.hd95, unit=self._unit)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = super()._repr_mimebundle_(**options)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data is not None:
            data["text/html"] = self._picture()
        return bundle

    def _picture(self) -> str:
        from io import BytesIO

        from matplotlib.image import imsave

        file = BytesIO()
        imsave(file, self._still, cmap="gray", vmin=0, vmax=1)
        encoded = base64.b64encode(file.getvalue()).decode()
        return f'<img width="420" src="data:image/png;base64,{encoded}">'
