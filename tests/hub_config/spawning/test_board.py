"""All who wait are looked for at once; a place that is gone ends its own waiter alone."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import Engine

from hub_config import clock
from hub_config.gpus.model import LeaseRequest
from hub_config.language import translator
from hub_config.offers.host import Host
from hub_config.queueing.model import Place
from hub_config.queueing.store import QueueStore
from hub_config.settings import Settings
from hub_config.spawning.board import Board
from hub_config.spawning.line import Line
from hub_config.spawning.refusal import PlaceEnded, place_gone

GONE = "0" * 32


@pytest.fixture
def queue(engine: Engine, settings: Settings) -> QueueStore:
    return QueueStore(engine, settings, Host(8, 2**20))


@pytest.fixture
def line(queue: QueueStore) -> Line:
    return Line(cast(Any, SimpleNamespace(queue=queue)))


def enter(queue: QueueStore, username: str) -> Place:
    request = LeaseRequest(username=username, cpus=1, memory_mb=512, minutes=60, image="base")
    return queue.enter(username, "", (), request, {}, username, clock.now())


def test_a_place_that_is_gone_is_left_out(queue: QueueStore, line: Line) -> None:
    waits, left = enter(queue, "mei"), enter(queue, "bo")
    left = queue.leave(left.id, "bo", clock.now())
    assert line.places([waits.id, GONE, left.id]) == {waits.id: waits, left.id: left}


async def test_who_waits_for_a_place_that_is_gone_is_told_and_the_others_are_served(
    queue: QueueStore, line: Line
) -> None:
    place, board = enter(queue, "mei"), Board(line)
    other = asyncio.ensure_future(board.until(place.id, lambda place: not place.open))
    with pytest.raises(PlaceEnded, match="gone"):
        await asyncio.wait_for(board.until(GONE, lambda place: False), 30)
    assert not other.done()
    queue.leave(place.id, "mei", clock.now())
    assert (await asyncio.wait_for(other, 30)).id == place.id


async def test_who_came_during_a_look_is_not_taken_for_gone(
    queue: QueueStore, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = enter(queue, "mei"), enter(queue, "bo")
    board, late = Board(line), list[asyncio.Future[Place]]()
    loop, real, asked = asyncio.get_running_loop(), line.places, list[set[str]]()

    def places(ids: Any) -> Any:
        asked.append(set(ids))
        if len(asked) == 1:
            coming = asyncio.run_coroutine_threadsafe(_come(), loop)
            coming.result(30)
        return real(ids)

    async def _come() -> None:
        late.append(asyncio.ensure_future(board.until(second.id, lambda place: True)))
        await asyncio.sleep(0)

    monkeypatch.setattr(line, "places", places)
    await asyncio.wait_for(board.until(first.id, lambda place: True), 30)
    assert (await asyncio.wait_for(late[0], 30)).id == second.id
    assert asked[0] == {first.id}


def test_a_place_that_is_gone_is_told_in_chinese() -> None:
    said = place_gone(GONE).localised(translator("zh_CN"))
    assert said.count("。") == 2 and "place" not in said
