"""The RadLab of the stories, on each kind of database."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from hub_config.settings import Settings
from tests.hub_config.queueing.story import Site


@pytest.fixture
def site(engine: Engine, settings: Settings) -> Site:
    return Site(engine, settings)
