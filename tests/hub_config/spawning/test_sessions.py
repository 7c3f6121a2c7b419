"""What a server says too often is answered and not written, and holds nobody else's thread."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from hub_config import clock
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.model import Ended, Lease, LeaseRequest
from hub_config.settings import Settings
from hub_config.spawning import session_api, sessions
from hub_config.spawning.sessions import Beat, NotExtended, Sessions
from hub_config.usage.store import UsageStore


class Watch:
    """A clock that stands still until it is put on."""

    seconds = 100.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    stands = Watch()
    monkeypatch.setattr(sessions, "time", stands)
    return stands


@pytest.fixture
def lease(engine: Engine) -> Lease:
    request = LeaseRequest(username="sam", cpus=1, memory_mb=512, minutes=60, image="base")
    lease = Ledger(engine).grant(request, clock.now())
    Ledger(engine).started(lease.id, "c0ffee", clock.now())
    return lease


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The kernels of each beat that was written."""
    written: list[int] = []
    real = UsageStore.busy

    def busy(store: UsageStore, lease_id: str, now: Any, kernels: int) -> None:
        written.append(kernels)
        real(store, lease_id, now, kernels)

    monkeypatch.setattr(UsageStore, "busy", busy)
    return written


def test_beats_without_end_are_written_once_in_two_seconds(
    settings: Settings, engine: Engine, lease: Lease, watch: Watch, writes: list[int]
) -> None:
    mine = Sessions(settings, engine)
    for turn in range(20):
        mine.beat(lease.id, Beat(kernels=turn % 2 + 1))
        mine.beat(lease.id, Beat(keep=True, kernels=1))
        with pytest.raises(NotExtended):
            mine.extend(lease.id, [])
    assert writes == [1]
    assert mine.facts(lease.id, [])["lease"] == lease.id
    watch.seconds += sessions.WRITES_APART
    mine.beat(lease.id, Beat(kernels=2))
    assert writes == [1, 2]


def test_one_server_that_says_too_much_silences_no_other(
    settings: Settings, engine: Engine, lease: Lease, watch: Watch, writes: list[int]
) -> None:
    request = LeaseRequest(username="eve", cpus=1, memory_mb=512, minutes=60, image="base")
    other = Ledger(engine).grant(request, clock.now())
    mine = Sessions(settings, engine)
    mine.beat(lease.id, Beat(kernels=1))
    mine.beat(other.id, Beat(kernels=3))
    assert writes == [1, 3]


def test_a_click_right_after_a_beat_still_takes_the_idle_end_back(
    settings: Settings, engine: Engine, lease: Lease, watch: Watch
) -> None:
    mine = Sessions(settings, engine)
    mine.beat(lease.id, Beat(kernels=1))
    Ledger(engine).stop_early(lease.id, clock.now() + timedelta(minutes=5), Ended.IDLE)
    mine.beat(lease.id, Beat(keep=True, kernels=1))
    assert Ledger(engine).get(lease.id).stop_why is None
    assert UsageStore(engine).of([lease.id])[lease.id].busy_at is not None


async def test_sessions_are_answered_while_the_hubs_own_threads_are_all_busy() -> None:
    answered: list[dict[str, Any]] = []

    class Facts:
        def facts(self, lease_id: str, groups: list[str]) -> dict[str, Any]:
            return {"lease": lease_id}

    class Asked(session_api._OwnSession):
        def __init__(self) -> None:
            """Without the Hub's own parts, which are not asked for."""

        def _own_session(self) -> Any:
            return Facts(), "lease-1", []

        def finish(self, told: dict[str, Any]) -> None:
            answered.append(told)

    full, free = ThreadPoolExecutor(1), threading.Event()
    asyncio.get_running_loop().set_default_executor(full)
    full.submit(free.wait)
    try:
        await asyncio.wait_for(Asked().answer(lambda *_: None), 30)
    finally:
        free.set()
    assert answered == [{"lease": "lease-1"}]
