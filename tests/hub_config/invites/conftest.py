"""A store of invites with one class group and a clock that tests can move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from hub_config.groups.store import GroupStore
from hub_config.invites.store import InviteStore

KEY = bytes(range(32))


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def __add__(self, span: timedelta) -> datetime:
        return self.now + span


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(engine: Engine, clock: Clock) -> InviteStore:
    GroupStore(engine).create("ct", title="Thorax CT", by="ada")
    return InviteStore(engine, KEY, now=clock)
