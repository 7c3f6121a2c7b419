"""What course notebooks import: checks with hints, quiz, progress, claims; metrics and training.

`page = open_page("08_segmentation", globals())` opens a page of a module; `Page` says what it can.
Learning has modules of its own, which import what they need: `metrics`, `training`, `detection`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from course_kit.page import Page as Page
    from course_kit.page import open_page as open_page
    from course_kit.readers import READERS as READERS

# Imported when first asked for: a kernel's start must not wait for widgets.
_HOMES = {
    "Page": "course_kit.page",
    "open_page": "course_kit.page",
    "READERS": "course_kit.readers",
}
__all__ = ["READERS", "Page", "open_page"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"course_kit has no '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)
