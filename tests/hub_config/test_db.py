"""A database that cannot be used is one refusal, whatever the reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from hub_config.db import DatabaseUnready, open_database, reading, writing
from hub_config.settings import Settings


def test_a_database_whose_connections_are_all_in_use_is_not_ready(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/one.sqlite"
    engine = create_engine(url, pool_size=1, max_overflow=0, pool_timeout=0.1)
    with reading(engine) as session:
        session.execute(text("SELECT 1"))
        with pytest.raises(DatabaseUnready) as refusal, writing(engine):
            raise AssertionError("it was opened")
    assert refusal.value.status == 503


def test_a_database_that_cannot_be_made_is_not_ready(settings: Settings) -> None:
    engine = open_database(f"sqlite:///{settings.path('none', 'such', 'one.sqlite')}")
    with pytest.raises(DatabaseUnready, match="unable to open"), writing(engine):
        raise AssertionError("it was opened")
