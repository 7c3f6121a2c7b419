"""What the tests of courses share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def figures_as_before() -> Iterator[None]:
    """A page sets how figures look, for the whole process; other tests have their own look."""
    matplotlib = pytest.importorskip("matplotlib")
    with matplotlib.rc_context():
        yield
