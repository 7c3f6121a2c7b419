"""Whoever waits has a spawn pending at the Hub, whatever became of Hub, user or start."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from hub_config import clock
from hub_config.portal.hub import HubUnready
from hub_config.portal.reviver import DELETED, Reviver
from hub_config.portal.services import Services
from hub_config.queueing.model import State

OPTIONS = {"module": "05_classification", "gpu": True, "language": "en"}


@pytest.fixture
def reviver(services: Services) -> Reviver:
    return Reviver(services.queue, services.hub, settle=0)


@pytest.fixture
def line(school: Any, the_hub: Any) -> Any:
    """Three who wait, of whom the Hub, started again, knows nothing."""
    for name in ("tea", "uma", "vic"):
        the_hub.groups[name] = ["radiology"]
        school.wait(name)
    return school


async def test_every_open_place_is_posted_with_its_options(
    reviver: Reviver, line: Any, the_hub: Any
) -> None:
    await reviver.revive()
    assert dict(the_hub.started) == dict.fromkeys(("tea", "uma", "vic"), OPTIONS)


async def test_a_place_whose_spawn_is_pending_is_not_posted_again(
    reviver: Reviver, line: Any, the_hub: Any
) -> None:
    await reviver.revive()
    await reviver.revive()
    assert len(the_hub.started) == 3


async def test_a_server_that_is_stopping_is_waited_for(
    reviver: Reviver, line: Any, the_hub: Any
) -> None:
    the_hub.start("uma")
    the_hub.servers["uma"].pending = "stop"
    await reviver.revive()
    assert {name for name, _ in the_hub.started} == {"tea", "vic"}
    del the_hub.servers["uma"]
    await reviver.revive()
    assert the_hub.started[-1][0] == "uma"


async def test_who_holds_a_lease_already_is_posted_first(
    reviver: Reviver, line: Any, services: Services, the_hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reviver, "_at_once", asyncio.Semaphore(1))
    the_hub.groups["wes"] = ["radiology"]
    line.wait("wes", gpus=0)
    started = services.queue.dispatch(clock.now(), 9)
    assert [place.username for place in started] == ["tea", "wes"]  # one GPU is free
    await reviver.revive()
    assert [name for name, _ in the_hub.started] == ["tea", "wes", "uma", "vic"]


async def test_a_place_whose_start_the_hub_is_ending_is_not_posted_before_it_is_left(
    line: Any, services: Services, the_hub: Any
) -> None:
    place = services.queue.of("uma", "")
    round_ = asyncio.ensure_future(Reviver(services.queue, services.hub).revive())
    await asyncio.sleep(1)  # as long as the Hub takes from one to the other
    services.queue.leave(place.id, "uma", clock.now())
    await round_
    assert {name for name, _ in the_hub.started} == {"tea", "vic"}


async def test_a_place_that_was_left_is_not_posted(
    reviver: Reviver, line: Any, services: Services, the_hub: Any
) -> None:
    place = services.queue.of("uma", "")
    services.queue.leave(place.id, "uma", clock.now())
    await reviver._post(place)  # as read before it was left
    await reviver.revive()
    assert "uma" not in [name for name, _ in the_hub.started]


async def test_a_place_of_a_deleted_user_is_closed_as_failed(
    reviver: Reviver, line: Any, services: Services, the_hub: Any
) -> None:
    place = services.queue.of("uma", "")
    del the_hub.groups["uma"]
    await reviver.revive()
    closed = services.queue.get(place.id)
    assert (closed.state, closed.why) == (State.FAILED, DELETED)
    assert {name for name, _ in the_hub.started} == {"tea", "vic"}


async def test_a_start_that_the_hub_refuses_is_asked_again_less_and_less_often(
    reviver: Reviver, line: Any, services: Services, the_hub: Any
) -> None:
    the_hub.refuses_starts = (500, "the image is missing")
    await reviver.revive()
    await reviver.revive()
    assert len(the_hub.started) == 3, "asked again at once"
    first = {key: pause for key, (pause, _) in reviver._patience.items()}
    reviver._patience = {key: (pause, 0.0) for key, (pause, _) in reviver._patience.items()}
    await reviver.revive()
    assert len(the_hub.started) == 6
    assert all(reviver._patience[key][0] == 2 * first[key] for key in first)
    assert len(services.queue.open()) == 3, "a refused start ends no place"


async def test_a_hub_that_is_down_is_waited_for_and_said_once(
    reviver: Reviver,
    line: Any,
    services: Services,
    the_hub: Any,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    the_hub.down = True
    with pytest.raises(HubUnready):
        await reviver.revive()
    monkeypatch.setattr("hub_config.portal.reviver.EVERY_SECONDS", 0.01)
    with caplog.at_level(logging.INFO, "hub_config.portal.reviver"):
        running = asyncio.create_task(reviver.run())
        await asyncio.sleep(0.3)
        the_hub.down = False
        for _ in range(500):
            if len(the_hub.started) == 3:
                break
            await asyncio.sleep(0.02)
        running.cancel()
    assert {name for name, _ in the_hub.started} == {"tea", "uma", "vic"}
    assert sum("cannot be posted" in line for line in caplog.messages) == 1
    assert len(services.queue.open()) == 3


async def test_no_more_posts_are_under_way_than_the_reviver_allows(
    reviver: Reviver, school: Any, the_hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reviver, "_at_once", asyncio.Semaphore(4))
    under_way, most = 0, 0
    answer = the_hub.answer

    async def counted(request: Any) -> Any:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.01)
        under_way -= 1
        return answer(request)

    monkeypatch.setattr(reviver._hub._client._transport, "handler", counted)
    for number in range(20):
        the_hub.groups[f"s{number:02}"] = ["radiology"]
        school.wait(f"s{number:02}", gpus=0)
    await reviver.revive()
    assert len(the_hub.started) == 20
    assert most == 4
