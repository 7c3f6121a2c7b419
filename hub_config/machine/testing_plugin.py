"""Pytest's part of building images beside the tests: who needs them comes last, and waits.

Without `./radlab test` (its environment variable is not set) nothing is changed.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from hub_config.machine.testing import IMAGES_STATUS

# Seconds after which a build that has not ended is taken for hung.
_LONGEST = 1500
_ORDER = ("postgres", "engine", "chroot", "images", "chromium")
_NEED_IMAGES = ("images", "chromium")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put tests that need less before those that need more."""
    if IMAGES_STATUS in os.environ:
        items.sort(key=_needs)


def _needs(item: pytest.Item) -> int:
    marked = [n for n, name in enumerate(_ORDER, 1) if item.get_closest_marker(name)]
    return max(marked, default=0)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Wait for the images before the first test that needs them; fail where they failed."""
    status = os.environ.get(IMAGES_STATUS)
    if status and any(item.get_closest_marker(name) for name in _NEED_IMAGES):
        ended = wait_for(Path(status))
        if ended != "0":
            log = Path(status).with_suffix(".log")
            pytest.fail(f"the images could not be built:\n{log.read_text()[-2000:]}", pytrace=False)


def wait_for(status: Path, longest: float = _LONGEST) -> str:
    """The exit status of the build, once it has ended."""
    deadline = time.monotonic() + longest
    while not status.exists():
        if time.monotonic() > deadline:
            return "nothing: it has not ended"
        time.sleep(0.5)
    return status.read_text().strip()
