"""The metrics: who may read them, what they count, and that the dashboard shows what there is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hub_config import clock, portal
from hub_config.gpus.model import Ended, Lease
from hub_config.portal.counting import Counts
from hub_config.portal.services import Services
from hub_config.queueing.model import State
from hub_config.usage.model import LeaseUsage, Sample

DASHBOARD = Path(portal.__file__).with_name("grafana-dashboard.json")
ACCESS = "access:services!service=radlab"


async def read(browser: Callable[..., Any]) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample, by its name and labels."""
    answer = await browser("ana").open("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def one(samples: dict[Any, float], name: str, **labels: str) -> float:
    return samples[name, tuple(sorted(labels.items()))]


async def ask(browser: Callable[..., Any], token: str | None) -> Any:
    headers = {"Authorization": f"token {token}"} if token else {}
    return await browser(None).client.get(f"{portal.PREFIX}/metrics", headers=headers)


async def test_a_token_with_the_hubs_own_scope_reads_them(
    browser: Callable[..., Any], school: Any, the_hub: Any
) -> None:
    scraper = the_hub.session_of("prometheus", ("read:metrics",), kind="service")
    answer = await ask(browser, scraper)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.parametrize("scopes", [(), (ACCESS,), (ACCESS, "custom:gpus:write")])
async def test_no_other_token_reads_them_not_even_an_administrators(
    browser: Callable[..., Any], school: Any, the_hub: Any, scopes: tuple[str, ...]
) -> None:
    answer = await ask(browser, the_hub.session_of("ana", scopes))
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "metrics_closed"


async def test_being_on_this_machine_is_no_right_to_read_them(
    browser: Callable[..., Any], school: Any
) -> None:
    # The proxy reaches the portal from loopback, and with it everybody.
    assert (await ask(browser, None)).status_code == 401
    assert (await ask(browser, "no token of the Hub's")).status_code == 401
    assert (await browser("sam").open("/metrics")).status_code == 403


async def test_they_say_how_the_site_stands(
    browser: Callable[..., Any], school: Any, services: Services
) -> None:
    services.devices.assign("SIM-radlab-2", None, "ana", pool=True)
    services.devices.drain("SIM-radlab-2", True, "ana")
    school.start("ines", gpus=0)
    school.start("tea")
    school.wait("uma")
    samples = await read(browser)
    gpus = [("group", "radiology", "in_use", 2), ("pool", "", "draining", 1)]
    for owner, group, state, count in gpus:
        assert one(samples, "radlab_gpus", owner=owner, group=group, state=state) == count
    assert one(samples, "radlab_leases_active", group="radiology", kind="gpu") == 2
    assert sum(v for (name, _), v in samples.items() if name == "radlab_leases_active") == 3
    assert one(samples, "radlab_places_waiting", reason="busy") == 1
    assert one(samples, "radlab_places_starting") == 0


async def test_a_loan_is_shown_with_who_lends(
    browser: Callable[..., Any], school: Any, services: Services
) -> None:
    services.groups.set_lending("radiology", True, False, "ana")
    services.groups.set_lending("oncology", False, True, "ana")
    lease = school.start("oda", group="oncology")
    assert lease.lender == "radiology"
    samples = await read(browser)
    assert one(samples, "radlab_gpus_lent", lender="radiology", group="oncology") == 1


async def test_they_count_what_happened_since_the_portal_began(
    browser: Callable[..., Any], school: Any, services: Services
) -> None:
    services.ledger.release(school.start("old").id, Ended.STOPPED, clock.now())
    await read(browser)
    before = await read(browser)
    place = school.wait("tea")
    (started,) = services.queue.dispatch(clock.now(), 1)
    services.queue.arrived(started.lease_id, clock.now())
    services.queue.leave(school.wait("uma").id, "uma", clock.now())
    killed = Sample(lease_id=school.sam.id, cpu=1, memory_mb=9, oom_kills=2)
    services.usage.sample([killed], clock.now())
    services.ledger.release(school.sam.id, Ended.IDLE, clock.now())
    failed = school.start("vic", gpus=0)
    services.ledger.release(failed.id, Ended.FAILED_START, clock.now())
    assert services.queue.get(place.id).state is State.DONE
    for _ in range(2):  # looking twice counts once
        after = await read(browser)
    for labels, name in (
        ({"outcome": "done"}, "radlab_places_ended_total"),
        ({"outcome": "left"}, "radlab_places_ended_total"),
        ({"why": "idle"}, "radlab_sessions_ended_total"),
        ({"why": "failed_start"}, "radlab_sessions_ended_total"),
        ({}, "radlab_starts_failed_total"),
        ({}, "radlab_wait_seconds_count"),
        ({"le": "+Inf"}, "radlab_wait_seconds_bucket"),
        ({"le": "7200"}, "radlab_wait_seconds_bucket"),
    ):
        key = (name, tuple(sorted(labels.items())))
        assert after[key] - before.get(key, 0) == 1, key
    assert one(after, "radlab_oom_kills_total", group="radiology") == 2
    assert one(after, "radlab_gpu_hours_total", group="radiology") > 0


async def test_no_label_bears_a_persons_name(
    browser: Callable[..., Any], school: Any, services: Services
) -> None:
    school.wait("uma")
    text = (await browser("ana").open("/metrics")).text
    assert not re.search(r"\b(sam|uma|ines|ana)\b", text)


def lease_of(school: Any, **changes: Any) -> Lease:
    return Lease(**{**vars(school.sam), **changes})


def test_what_was_before_the_beginning_is_not_counted(school: Any) -> None:
    begun = clock.now()
    counts = Counts(begun)
    lease = lease_of(school, started_at=begun - timedelta(hours=5))
    killed = {lease.id: LeaseUsage(lease_id=lease.id, oom_kills=3)}
    counts.look([lease], killed, [], begun + timedelta(hours=1))
    assert counts.gpu_hours == {"radiology": pytest.approx(1.0)}
    assert counts.oom_kills.total() == 0
    again = {lease.id: LeaseUsage(lease_id=lease.id, oom_kills=4)}
    counts.look([lease], again, [], begun + timedelta(hours=2))
    assert counts.gpu_hours == {"radiology": pytest.approx(2.0)}
    assert counts.oom_kills == {"radiology": 1}


def test_hours_grow_on_when_a_session_ends(school: Any) -> None:
    begun = clock.now()
    counts = Counts(begun)
    running = lease_of(school, started_at=begun)
    counts.look([running], {}, [], begun + timedelta(hours=1))
    assert counts.gpu_hours["radiology"] == pytest.approx(1.0)
    end = begun + timedelta(hours=2)
    over = lease_of(school, started_at=begun, released_at=end, why_ended=Ended.TIME_UP)
    for minutes in (1, 2, 10):
        counts.look([over], {}, [], end + timedelta(minutes=minutes))
        assert counts.gpu_hours["radiology"] == pytest.approx(2.0)
        assert counts.sessions_ended == {"time_up": 1}


def test_a_row_that_is_committed_late_is_counted(school: Any) -> None:
    begun = clock.now()
    counts = Counts(begun)
    counts.look([], {}, [], begun + timedelta(minutes=10))
    end = begun + timedelta(minutes=9)
    late = lease_of(school, started_at=begun, released_at=end, why_ended=Ended.STOPPED)
    assert counts.since <= end
    counts.look([late], {}, [], begun + timedelta(minutes=11))
    assert counts.sessions_ended == {"stopped": 1}


def expressions() -> list[str]:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


async def test_the_dashboard_names_what_is_exported_and_shows_all_of_it(
    browser: Callable[..., Any], school: Any
) -> None:
    names = {name for expr in expressions() for name in re.findall(r"radlab_\w+", expr)}
    text = (await browser("ana").open("/metrics")).text
    families = list(text_string_to_metric_families(text))
    assert len(families) >= 10
    allowed = {
        f"{family.name}{tail}"
        for family in families
        for tail in {
            "gauge": ("",),
            "counter": ("_total",),
            "histogram": ("_bucket", "_sum", "_count"),
        }[family.type]
    }
    assert names <= allowed, names - allowed
    shown = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in names}
    assert shown == {family.name for family in families}


def test_the_dashboard_asks_by_labels_that_there_are() -> None:
    source = "".join(path.read_text() for path in DASHBOARD.parent.glob("metrics.py"))
    asked = {
        label.strip()
        for expr in expressions()
        for found in re.findall(r"by \(([^)]*)\)|\{(\w+)=", expr)
        for group in found
        for label in group.split(",")
        if label.strip()
    }
    assert asked - {"le"}
    for label in asked - {"le"}:
        assert f'"{label}"' in source, label


def test_the_panels_stand_beside_each_other() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(at["x"] + dx, at["y"] + dy) for dx in range(at["w"]) for dy in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in panels}) == len(panels)
