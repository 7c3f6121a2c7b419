"""Sessions end when their time is up, whatever happens to the Hub meanwhile."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import Any

import pytest

from hub_config import clock
from hub_config.gpus.model import Ended
from hub_config.portal.bell import Bell
from hub_config.portal.hub import HubUnready
from hub_config.portal.services import Services


@pytest.fixture
def bell(services: Services) -> Bell:
    return Bell(services.ledger, services.hub)


def overdue(school: Any, name: str) -> Any:
    """A lease of one minute that began two minutes ago."""
    lease = school.start(name, gpus=0, minutes=1)
    past = clock.now() - timedelta(minutes=2)
    with school.services.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE leases SET ends_at = ? WHERE id = ?",
            (past.replace(tzinfo=None).isoformat(" "), lease.id),
        )
    return lease


async def test_a_session_whose_time_is_up_is_stopped_and_the_reason_kept(
    bell: Bell, school: Any, services: Services, the_hub: Any
) -> None:
    lease = overdue(school, "oda")
    await bell.ring()
    assert the_hub.stopped == ["oda"]
    # What the spawner says when the container is gone does not overwrite why.
    ended = services.ledger.release(lease.id, Ended.STOPPED, clock.now())
    assert ended.why_ended is Ended.TIME_UP


async def test_a_session_with_time_left_runs_on(bell: Bell, school: Any, the_hub: Any) -> None:
    await bell.ring()
    assert the_hub.stopped == []
    assert "sam" in the_hub.servers


@pytest.mark.parametrize("why", [Ended.IDLE, Ended.RECALLED, Ended.HOURS_USED])
async def test_a_session_that_was_told_to_end_early_is_stopped_then_and_says_why(
    bell: Bell, school: Any, services: Services, the_hub: Any, why: Ended
) -> None:
    early, later = school.sam, school.start("ines")
    now = clock.now()
    services.ledger.stop_early(early.id, now - timedelta(seconds=1), why)
    services.ledger.stop_early(later.id, now + timedelta(minutes=9), why)
    await bell.ring()
    assert the_hub.stopped == ["sam"]
    assert services.ledger.release(early.id, Ended.STOPPED, now).why_ended is why


async def test_an_early_end_after_the_minutes_is_no_reason(
    bell: Bell, school: Any, services: Services
) -> None:
    lease = overdue(school, "oda")
    services.ledger.stop_early(lease.id, clock.now() + timedelta(hours=1), Ended.IDLE)
    await bell.ring()
    assert services.ledger.get(lease.id).why_ended is Ended.TIME_UP


async def test_ringing_again_while_the_hub_stops_it_does_no_harm(
    bell: Bell, school: Any, services: Services, the_hub: Any
) -> None:
    lease = overdue(school, "oda")
    the_hub.slow_to_stop = True
    await bell.ring()
    await bell.ring()
    assert set(the_hub.stopped) == {"oda"}
    assert services.ledger.get(lease.id).active
    assert services.ledger.get(lease.id).why_ended is Ended.TIME_UP


async def test_a_released_lease_does_not_stop_the_next_server_of_its_owner(
    bell: Bell, school: Any, services: Services, the_hub: Any
) -> None:
    lease = overdue(school, "oda")
    services.ledger.release(lease.id, Ended.STOPPED, clock.now())
    await bell._end(lease)  # as read before it was released
    assert the_hub.stopped == []
    assert services.ledger.get(lease.id).why_ended is Ended.STOPPED


async def test_a_user_deleted_while_running_does_not_stop_the_bell(
    bell: Bell, school: Any, the_hub: Any
) -> None:
    overdue(school, "oda")
    overdue(school, "ines")
    del the_hub.groups["oda"]
    await bell.ring()
    assert the_hub.stopped == ["ines"]


async def test_a_hub_that_is_down_is_asked_again_and_said_once(
    bell: Bell,
    school: Any,
    the_hub: Any,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    overdue(school, "oda")
    the_hub.down = True
    with pytest.raises(HubUnready):
        await bell.ring()
    monkeypatch.setattr("hub_config.portal.bell.EVERY_SECONDS", 0.01)
    with caplog.at_level(logging.INFO, "hub_config.portal.bell"):
        running = asyncio.create_task(bell.run())
        await asyncio.sleep(0.3)
        the_hub.down = False
        for _ in range(200):
            if the_hub.stopped:
                break
            await asyncio.sleep(0.02)
        running.cancel()
    assert "oda" in the_hub.stopped
    assert sum("cannot be ended" in line for line in caplog.messages) == 1
