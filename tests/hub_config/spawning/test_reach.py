"""What one student can have here, as database, state folder and machine say it."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from spawning_support import MODULE, make_state, publish
from sqlalchemy import Engine

from hub_config import clock
from hub_config.db import open_database, writing
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.model import Device, Ended, LeaseRequest
from hub_config.gpus.store import DeviceStore
from hub_config.groups.store import GroupStore
from hub_config.offers.host import Host
from hub_config.offers.sizes import BrokenSizes, Numbers, UnknownSize
from hub_config.queueing.model import State
from hub_config.queueing.tables import PlaceTable, request_to_text
from hub_config.settings import Settings
from hub_config.spawning import reach, rules
from hub_config.spawning.fitting import Closed, NeverServed, SizeTooSmall
from hub_config.spawning.launch import Hours
from hub_config.spawning.stores import Stores
from hub_config.usage.model import HomeUse, Kind, Limits
from hub_config.usage.store import QuotaStore, UsageStore

GPU = "module/05_classification/gpu"
REQUEST = LeaseRequest(
    username="bo",
    groups=("radiology",),
    gpu_count=1,
    cpus=1,
    memory_mb=512,
    minutes=30,
    image="tiny",
    module="05_classification",
)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A site with one module, the shipped sizes, and a machine of four cores and 32 GB."""
    monkeypatch.setattr(reach, "this_host", lambda: Host(4, 32 * 1024))
    settings = make_state(tmp_path / "state", "tiny:1")
    larger = MODULE | {"version": "1.1.0", "cpus": 2, "memory_gb": 3, "gpu_memory_gb": 8}
    publish(settings, larger)
    return settings


@pytest.fixture
def engine(settings: Settings) -> Engine:
    """Its database: two groups, and two cards of 24 GB, one of which is radiology's."""
    engine = open_database(settings.radlab_database_url)
    for name in ("radiology", "oncology"):
        GroupStore(engine).create(name, by="ana")
    devices = DeviceStore(engine)
    devices.record(
        [Device(f"GPU-{n}", n, "NVIDIA L4", 23034, simulated=True) for n in range(2)], clock.now()
    )
    devices.assign("GPU-0", "radiology", "ana")
    return engine


@pytest.fixture
def stores(settings: Settings, engine: Engine) -> Stores:
    return Stores(settings, engine)


def take_a_place(engine: Engine, username: str, state: State = State.WAITING, **changes) -> None:
    request, now = replace(REQUEST, username=username, **changes), clock.now()
    with writing(engine) as session:
        session.add(
            PlaceTable(
                id=f"place-of-{username}", username=username, server_name="", options="{}",
                request=request_to_text(request), priority=0, rank_at=now, entered_at=now,
                entered_by=username, state=state.value, attempts=0,
            )
        )  # fmt: skip


def gpu_start(stores: Stores, groups=("radiology",), username="mei"):
    (card,) = stores.launch(groups, username).modules
    return next(start for start in card.starts if start.value == GPU)


def test_a_free_card_of_the_group_starts_at_once(stores):
    start = gpu_start(stores)
    assert start.now
    assert [(offer.id, offer.closed) for offer in start.offers] == [
        ("", None), ("gpu", None), ("gpu-large", Closed.SMALL_CARDS),
    ]  # fmt: skip


def test_a_busy_card_leads_into_the_line_behind_those_who_wait(stores, settings, engine):
    lease = stores.ledger.grant(replace(REQUEST, username="ada"), clock.now())
    first = gpu_start(stores).wait
    assert first.position == 1 and lease.granted_at < first.expected_at
    take_a_place(engine, "bo")
    take_a_place(engine, "mei")
    take_a_place(engine, "cy", groups=("oncology",))
    take_a_place(engine, "di", gpu_count=0)
    second = gpu_start(Stores(settings, engine)).wait
    assert second.position > 1 and first.expected_at < second.expected_at
    assert stores.launch(["radiology"], "mei").waiting == 1


def test_a_class_that_looks_at_once_has_the_line_worked_out_once_a_second(stores, engine):
    stores.ledger.grant(replace(REQUEST, username="ada"), clock.now())
    now, numbers = clock.now(), Numbers(cpus=1, memory_gb=1, gpus=1, minutes=30)
    first = stores.forecasts.line(["radiology"], now)(numbers)
    take_a_place(engine, "bo")
    soon, later = now + timedelta(seconds=0.9), now + timedelta(seconds=1.1)
    assert stores.forecasts.line(["radiology"], soon)(numbers) is first
    assert stores.forecasts.line(["radiology"], later)(numbers).position == 2


def test_the_page_tells_what_the_line_tells_on_entering(stores, engine):
    stores.ledger.grant(replace(REQUEST, username="ada"), clock.now())
    take_a_place(engine, "bo")
    told = gpu_start(stores).wait
    order = stores.order({"module": "05_classification"}, ["radiology"])
    request = rules.lease_request(order, "mei", "", ["radiology"])
    stores.queue.enter("mei", "", ["radiology"], request, {}, "mei", clock.now())
    (mine,) = [each for each in stores.queue.board(clock.now()) if each.place.username == "mei"]
    assert told.position == mine.outlook.position == 2
    assert abs(told.expected_at - mine.outlook.expected_at) < timedelta(minutes=1)


def test_a_place_of_ones_own_is_shown(stores, engine):
    take_a_place(engine, "mei", State.STARTING)
    take_a_place(engine, "bo")
    (place,) = stores.launch(["radiology"], "mei").mine.places
    assert (place.module.id, place.image.id, place.starting) == ("05_classification", "tiny", True)


def test_the_pool_is_everybodys_of_a_group_and_nobody_elses(stores, engine):
    DeviceStore(engine).assign("GPU-1", None, "ana", pool=True)
    assert stores.launch(["radiology"]).total == 2
    assert stores.launch(["oncology"]).total == 1
    assert stores.launch([]).total == 0
    assert gpu_start(stores, ()).closed == Closed.NO_GROUP


def test_quota_and_home_are_the_students(stores, engine):
    quotas, usage = QuotaStore(engine), UsageStore(engine)
    assert stores.launch(["radiology"], "mei").mine.hours == ()
    quotas.set(Kind.PERSON, "mei", Limits(gpu_hours_week=10, disk_mb=1000), "ana")
    quotas.set(Kind.GROUP, "radiology", Limits(gpu_hours_week=50), "ana")
    usage.homes([HomeUse(username="mei", used_mb=900, measured_at=clock.now())])
    mine = stores.launch(["radiology"], "mei").mine
    assert mine.home_nearly_full
    assert [(each.group, each.left) for each in mine.hours] == [(None, 10), ("radiology", 50)]
    assert not stores.launch(["radiology"], "bo").mine.home_nearly_full


def test_hours_of_this_week_are_taken_off(stores, engine):
    QuotaStore(engine).set(Kind.PERSON, "ada", Limits(gpu_hours_week=10), "ana")
    ledger, now = Ledger(engine), clock.now()
    lease = ledger.grant(replace(REQUEST, username="ada"), now - timedelta(seconds=1))
    ledger.started(lease.id, "c1", now - timedelta(seconds=1))
    (hours,) = stores.launch(["radiology"], "ada").mine.hours
    assert 9.9 < hours.left < 10
    ledger.release(lease.id, Ended.STOPPED, now)
    QuotaStore(engine).set(Kind.PERSON, "ada", Limits(gpu_hours_week=0.0001), "ana")
    assert gpu_start(stores, username="ada").closed == Closed.HOURS
    assert gpu_start(stores).now


@pytest.mark.parametrize(
    ("left", "groups", "used"),
    [
        ({None: 0}, ("g", "h"), True),
        ({"g": 0}, ("g", "h"), False),
        ({"g": 0, "h": 0}, ("g", "h"), True),
        ({None: 1, "g": 1}, ("g",), False),
        ({}, (), False),
    ],
)
def test_hours_are_used_up_where_no_group_has_any(left, groups, used):
    hours = [Hours(group=name, used=1, limit=1 + some) for name, some in left.items()]
    assert reach.hours_used(hours, groups) is used


def test_an_order_is_checked_with_the_eyes_of_the_students_groups(stores):
    options = {"module": "05_classification", "size": "gpu"}
    assert stores.order(options, ["radiology"]).size == "gpu"
    with pytest.raises(NeverServed, match="none is assigned to your groups"):
        stores.order(options, ["oncology"])
    assert stores.order(options).gpus == 1, "nobody in particular is asked about the machine alone"
    with pytest.raises(SizeTooSmall, match="Choose medium"):
        stores.order({"module": "05_classification", "size": "small"}, [])
    with pytest.raises(UnknownSize, match="Did you mean 'medium'"):
        stores.order({"module": "05_classification", "size": "medum"}, [])


def test_an_order_without_a_size_is_what_the_lab_asks_for(stores):
    order = stores.order({"module": "05_classification"}, ["radiology"])
    assert (order.cpus, order.memory_mb, order.gpu_memory_mb) == (2, 3072, 8192)
    assert stores.order({"image": "tiny", "size": "medium"}, []).memory_mb == 6144


def test_a_sites_own_list_is_read_at_each_look(stores, settings):
    only = {"id": "one", "title": {"en": "One", "zh_CN": "一"}, "cpus": 2, "memory_gb": 4}
    path = settings.path("offers", "sizes.yaml")
    path.write_text(yaml.safe_dump({"sizes": [only]}, allow_unicode=True))
    (card,) = stores.launch(["radiology"]).environments
    assert [offer.id for offer in card.starts[0].offers] == ["", "one"]


def test_a_broken_list_of_sizes_stops_nobody_who_asks_for_none(stores, settings, caplog):
    settings.path("offers", "sizes.yaml").write_text("sizes: [{id: one}]")
    with caplog.at_level(logging.ERROR, logger="jupyterhub"):
        page = stores.launch(["radiology"])
    assert [len(start.offers) for start in page.modules[0].starts] == [1, 1]
    assert "size one: the key 'title' is missing" in caplog.text
    assert stores.order({"image": "tiny"}).size is None
    with pytest.raises(BrokenSizes):
        stores.order({"image": "tiny", "size": "one"})
