"""How much homes hold: links, odd names, homes that cannot be measured in time."""

from __future__ import annotations

import os
import uuid
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from hub_config import clock
from hub_config.db import writing
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.model import Ended, LeaseRequest
from hub_config.groups.store import GroupStore
from hub_config.keeper.homes_use import RESTING, HomesUse, used_mb
from hub_config.keeper.watching import disk_limit_of
from hub_config.queueing.model import State
from hub_config.queueing.tables import PlaceTable, request_to_text
from hub_config.settings import Settings
from hub_config.usage.model import HomeUse, Kind, Limits
from hub_config.usage.store import QuotaStore, UsageStore


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def no_limit(username: str) -> None:
    return None


def fill(path: Path, megabytes: int) -> None:
    path.write_bytes(os.urandom(2**20) * megabytes)


def test_what_lies_in_a_home_is_counted(home: Path) -> None:
    before = used_mb(home)
    fill(home / "model.pt", 3)
    (home / "sub").mkdir()
    fill(home / "sub" / "film.dcm", 2)
    assert before is not None and before <= 1
    assert used_mb(home) in (5, 6)


def test_a_link_out_of_the_home_is_not_followed(home: Path, tmp_path: Path) -> None:
    outside = tmp_path / "datasets"
    outside.mkdir()
    fill(outside / "large.dcm", 8)
    (home / "link").symlink_to(outside)
    (home / "loop").symlink_to(home)
    assert used_mb(home) in (0, 1)


def test_names_may_be_any_bytes(home: Path) -> None:
    with open(os.fsencode(home) + b"/\xff\xfe\n9999999\t-", "wb") as file:
        file.write(os.urandom(2**20) * 2)
    assert used_mb(home) in (2, 3)


def test_a_home_that_takes_too_long_is_not_measured(home: Path) -> None:
    for index in range(2000):
        (home / str(index)).mkdir()
    assert used_mb(home, seconds=0.0001) is None


def test_a_home_that_is_gone_is_not_measured(home: Path) -> None:
    assert used_mb(home / "gone") is None


@pytest.fixture
def ledger(engine: Engine) -> Ledger:
    made = Ledger(engine)
    for name in ("ann", "bob", "O'Hara"):
        request = LeaseRequest(username=name, cpus=1, memory_mb=512, minutes=60, image="base")
        lease = made.grant(request, clock.now())
        if name != "ann":
            made.release(lease.id, Ended.STOPPED, clock.now())
    return made


def test_running_sessions_are_measured_each_time_and_others_once_a_day(
    settings: Settings, engine: Engine, ledger: Ledger
) -> None:
    uses = UsageStore(engine)
    for name in ("ann", "bob"):
        settings.path("homes", name).mkdir()
    measure = HomesUse(settings, ledger, uses, no_limit).round
    measure()
    fill(settings.path("homes", "ann", "a"), 3)
    fill(settings.path("homes", "bob", "b"), 3)
    measure()
    ann, bob = uses.home("ann"), uses.home("bob")
    assert ann is not None and ann.used_mb in (3, 4)
    assert bob is not None and bob.used_mb in (0, 1)
    long_ago = clock.now() - RESTING - timedelta(minutes=1)
    uses.homes([HomeUse(username="bob", used_mb=0, measured_at=long_ago)])
    measure()
    bob = uses.home("bob")
    assert bob is not None and bob.used_mb in (3, 4)
    assert uses.home("O'Hara") is None  # has no folder


def test_a_link_in_the_place_of_a_home_is_left_alone(
    settings: Settings, engine: Engine, ledger: Ledger, tmp_path: Path
) -> None:
    fill(tmp_path / "large", 4)
    settings.path("homes", "ann").symlink_to(tmp_path)
    uses = UsageStore(engine)
    HomesUse(settings, ledger, uses, no_limit).round()
    assert uses.home("ann") is None


def test_a_measure_that_fails_keeps_the_last(
    settings: Settings, engine: Engine, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    uses = UsageStore(engine)
    settings.path("homes", "ann").mkdir()
    uses.homes([HomeUse(username="ann", used_mb=77, measured_at=clock.now())])
    HomesUse(settings, ledger, uses, no_limit, seconds=0.0001).round()
    home = uses.home("ann")
    assert home is not None and home.used_mb == 77
    assert "could not be measured" in caplog.text


def test_a_homes_limit_is_its_owners_own_or_that_of_the_groups_of_their_last_place(
    engine: Engine,
) -> None:
    groups, quotas = GroupStore(engine), QuotaStore(engine)
    for name in ("radiology", "cardiology"):
        groups.create(name, by="ada")
    quotas.set(Kind.GROUP, "cardiology", Limits(disk_mb=2000), by="ada")
    assert disk_limit_of(engine, "ann") is None
    take_place(engine, "ann", ("radiology",), clock.now() - timedelta(hours=2))
    assert disk_limit_of(engine, "ann") is None
    take_place(engine, "ann", ("cardiology",), clock.now() - timedelta(hours=1))
    assert disk_limit_of(engine, "ann") == 2000
    quotas.set(Kind.PERSON, "ann", Limits(disk_mb=500), by="ada")
    assert disk_limit_of(engine, "ann") == 500


def take_place(engine: Engine, username: str, groups: tuple[str, ...], at: datetime) -> None:
    request = LeaseRequest(
        username=username, groups=groups, cpus=1, memory_mb=512, minutes=60, image="base"
    )
    with writing(engine) as session:
        session.add(
            PlaceTable(
                id=uuid.uuid4().hex,
                username=username,
                server_name="",
                options="{}",
                request=request_to_text(request),
                priority=0,
                rank_at=at,
                entered_at=at,
                entered_by=username,
                state=State.LEFT.value,
                attempts=0,
                ended_at=at,
            )
        )
