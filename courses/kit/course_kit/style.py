"""How all figures of the courses look: set once by `open_page`, where matplotlib is there."""

from __future__ import annotations

import importlib.util
import logging
from typing import Any

SETTINGS: dict[str, Any] = {
    "figure.dpi": 100,
    "figure.figsize": (11, 4),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "axes.unicode_minus": False,
}


def set_style() -> None:
    """11 inches wide, titles at the left, no boxes; nothing where matplotlib is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        return
    import matplotlib

    # The font for Chinese has one weight alone; that it stands in for bold is no news for a reader.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    matplotlib.rcParams.update(SETTINGS)  # type: ignore[arg-type]
