"""The keeper's socket before a stand-in for what starts containers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from containers_support import FakeKeeper

from hub_config.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(state=str(tmp_path))
    made.make_folders()
    return made


@pytest.fixture
def keeper(settings: Settings) -> Iterator[FakeKeeper]:
    made = FakeKeeper(settings)
    made.begin()
    yield made
    for event in made.starter.held.values():
        event.set()
    made.end()
