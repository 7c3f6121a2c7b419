"""The viewer's half in the kernel: sends the browser what it asks for, as binary buffers.

The browser asks for a case, for planes along an axis, for the overlays of a case; this answers with
stored values as they lie in the file. Window, level, zoom and overlays are the browser's work, so
that nothing travels while one drags. The first plane goes with the widget itself: a picture is
there without a second trip. All JavaScript is in the package; nothing is loaded from elsewhere.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any

import anywidget
import numpy as np
import traitlets
from numpy.typing import NDArray

from dicom_catalog.pictures import png_bytes
from dicom_catalog.viewing.stacks import Stack
from dicom_catalog.viewing.still import still

# One ES module of these parts, in this order: a part uses only what stands before it.
PARTS = ("geometry.js", "paint.js", "store.js", "view.js", "controls.js", "viewer.js")
KEPT_CASES = 6  # stacks a pane holds open: the one that is seen and its neighbours
Case = Callable[[], Stack]
Answer = tuple[dict[str, Any], list[memoryview]]


def asset(name: str) -> str:
    """A file of this package as text."""
    return (files("dicom_catalog.viewing") / name).read_text(encoding="utf-8")


def texts(language: str | None = None) -> dict[str, str]:
    """What the viewer says, in `language` (default: RADLAB_LANGUAGE), else in English."""
    known: dict[str, dict[str, str]] = json.loads(asset("texts.json"))
    wanted = language or os.environ.get("RADLAB_LANGUAGE", "en")
    return {**known["en"], **known.get(wanted, known.get(wanted.replace("-", "_"), {}))}


class Viewer(anywidget.AnyWidget):
    """The widget; `cases`, `places`, `windows` and `probe` follow the browser, and can be set.

    `cases` and `places` are the case and the slice of each pane, `windows` its (center, width),
    `probe` what the pointer was last on: value, unit, mm (LPS) or None, index (slice, row, column).
    """

    _esm = "\n".join(asset(part) for part in PARTS)
    _css = asset("viewer.css")
    scene: Any = traitlets.Dict().tag(sync=True)
    first: Any = traitlets.List().tag(sync=True)
    cases: Any = traitlets.List().tag(sync=True)
    places: Any = traitlets.List().tag(sync=True)
    windows: Any = traitlets.List().tag(sync=True)
    probe: Any = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        panes: Sequence[Sequence[Case]],
        *,
        size: int = 480,
        window: tuple[float, float] | None = None,
        planes: bool = False,
        marks: bool = True,
        language: str | None = None,
    ) -> None:
        self._panes = panes
        self._marks = marks
        self._open: dict[tuple[int, int], Stack] = {}
        self._window = window
        stacks = [self.stack(pane, 0) for pane in range(len(panes))]
        infos = [self._info(stack) for stack in stacks]
        places = [stack.count // 2 for stack in stacks]
        super().__init__(
            scene={
                "texts": texts(language),
                "size": size,
                "planes": planes,
                "marks": marks,
                "cases": [len(cases) for cases in panes],
                "stacks": infos,
            },
            first=[_plane(*pair) for pair in zip(stacks, places, strict=True)],
            cases=[0] * len(panes),
            places=places,
            windows=[info["window"] for info in infos],
        )
        self.on_msg(self._asked)

    def stack(self, pane: int, case: int) -> Stack:
        """The stack of a pane's case, opened at its first use."""
        key = (pane, case)
        if key not in self._open:
            held = sorted(abs(known[1] - case) for known in self._open if known[0] == pane)
            for known in [known for known in self._open if known[0] == pane]:
                if len(held) >= KEPT_CASES and abs(known[1] - case) >= held[KEPT_CASES - 1]:
                    del self._open[known]
            self._open[key] = self._panes[pane][case]()
        return self._open[key]

    def _info(self, stack: Stack) -> dict[str, Any]:
        info = stack.info()
        return {**info, "window": list(self._window)} if self._window else info

    def _asked(self, _: Any, content: dict[str, Any], __: Any) -> None:
        """Answer one message; what goes wrong is told where the picture would be."""
        answers = {"case": self._case, "planes": self._planes, "overlays": self._overlays}
        answer = answers.get(content.get("kind", ""))
        if answer is None:
            return
        try:
            told, buffers = answer(self.stack(content["pane"], content["case"]), content)
        except Exception as error:  # the reader of the page sees no traceback of a message
            told, buffers = {"refused": str(error) or type(error).__name__}, []
        self.send({**content, **told}, buffers)

    def _case(self, stack: Stack, _: dict[str, Any]) -> Answer:
        values = stack.plane(0, stack.count // 2)
        head = _head(values, stack.scale(), None)
        told = {"stack": self._info(stack), "axis": 0, "places": [stack.count // 2]}
        return {**told, "planes": [head]}, [_bytes(values)]

    def _overlays(self, stack: Stack, _: dict[str, Any]) -> Answer:
        return {"overlays": stack.overlays()}, []

    def _planes(self, stack: Stack, asked: dict[str, Any]) -> Answer:
        heads, buffers = [], []
        for place in asked["places"]:
            values = stack.plane(asked["axis"], place)
            marks = stack.marks(asked["axis"], place) if asked.get("marks") else None
            heads.append(_head(values, stack.scale(), marks))
            buffers.append(_bytes(values))
            if marks is not None:
                buffers.append(_bytes(marks))
        return {"planes": heads}, buffers

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """The widget, and beside it a picture for pages on which no kernel runs."""
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle
        data["image/png"] = base64.b64encode(self.picture()).decode()
        return data, metadata

    def picture(self) -> bytes:
        """A PNG of what the panes show now, with window and overlays, side by side."""
        shown = []
        for pane, (case, place) in enumerate(zip(self.cases, self.places, strict=True)):
            stack = self.stack(pane, case)
            center, width = self.windows[pane]
            shown.append(still(stack, place, center, width, marks=self._marks))
        return _side_by_side(shown)


def _head(
    values: NDArray[Any], scale: tuple[float, float], marks: NDArray[Any] | None
) -> dict[str, Any]:
    return {
        "rows": values.shape[0],
        "columns": values.shape[1],
        "type": values.dtype.name,
        "slope": scale[0],
        "intercept": scale[1],
        "marks": None if marks is None else marks.dtype.name,
    }


def _plane(stack: Stack, place: int) -> dict[str, Any]:
    values = stack.plane(0, place)
    return {**_head(values, stack.scale(), None), "data": _bytes(values)}


def _bytes(values: NDArray[Any]) -> memoryview:
    return values.data.cast("B")


def _side_by_side(pictures: Sequence[NDArray[np.float32]]) -> bytes:
    height = max(len(picture) for picture in pictures)
    padded = []
    for picture in pictures:
        below = height - len(picture)
        padded.append(np.pad(picture, ((below // 2, below - below // 2), (4, 4), (0, 0))))
    joined = np.concatenate(padded, axis=1)
    grey = bool(np.array_equal(joined[..., 0], joined[..., 1]))
    return png_bytes(joined[..., 0] if grey else joined)
