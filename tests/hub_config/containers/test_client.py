"""The keeper's client and its server, over the socket that they meet on."""

from __future__ import annotations

import asyncio
import os
import stat
import threading

import httpx
import pytest
from containers_support import FakeKeeper, until
from pydantic import ValidationError

from hub_config.containers.client import KeeperClient
from hub_config.containers.model import StartOrder, StopOrder
from hub_config.containers.refusals import (
    EngineTrouble,
    KeeperAway,
    KeeperFault,
    LabEnded,
    received,
    sent,
)
from hub_config.errors import Busy, RadLabError, nearest
from hub_config.gpus.refusals import LeaseOver, UnknownLease, unknown_lease
from hub_config.offers.images import UnknownImage
from hub_config.settings import Settings

LEASE = "a" * 32


async def test_each_verb_reaches_the_keeper_and_its_answer_comes_back(keeper, settings) -> None:
    client = KeeperClient(settings)
    order = StartOrder(environment={"JUPYTERHUB_USER": "mei"}, arguments=["a"], fresh=True)
    running = await client.start(LEASE, order)
    assert (running.container_id, running.port) == (f"c-{LEASE}", 8888)
    assert keeper.starter.orders == [(LEASE, order)]
    assert (await client.see(LEASE)).running
    assert (await client.stop(LEASE, StopOrder(why="failed_start", seconds=0))).released
    assert keeper.starter.stopped == [(LEASE, StopOrder(why="failed_start", seconds=0))]
    assert (await client.health()).walls
    await client.wake()
    assert keeper.woken.acquire(timeout=10)
    await client.aclose()


@pytest.mark.parametrize(
    "refusal",
    [
        unknown_lease("x"),
        LeaseOver("The lease {lease_id} is over.", given="x", do="Start again.", lease_id="x"),
        LabEnded("It ended (exit code {code}).", code=3),
        EngineTrouble("The engine did not: {reason}.", reason="no"),
        UnknownImage("No '{id}'.{hint}", allowed=["base"], id="b", hint=nearest("bas", ["base"])),
    ],
    ids=lambda error: error.code,
)  # fmt: skip
async def test_a_refusal_comes_back_as_it_was(keeper, settings, refusal: RadLabError) -> None:
    keeper.starter.refusal = refusal
    client = KeeperClient(settings)
    with pytest.raises(type(refusal)) as caught:
        await client.start(LEASE, StartOrder(environment={}))
    back = caught.value
    assert str(back) == str(refusal)
    assert (back.code, back.status, back.given, back.allowed) == (
        refusal.code, refusal.status, refusal.given, refusal.allowed,
    )  # fmt: skip
    backwards = lambda text: f"<{text[::-1]}>" if "{" not in text else text  # noqa: E731
    assert back.localised(backwards) == refusal.localised(backwards)
    await client.aclose()


def test_a_refusal_that_is_not_known_here_keeps_its_code_and_its_words() -> None:
    class Elsewhere(Busy):
        """Known to the sender alone."""

        code = "known_elsewhere"

    answer = sent(Elsewhere("All {n} are out.", do="Wait.", n=4))
    answer["error"]["code"] = "known_nowhere"
    back = received(answer, Elsewhere.status)
    assert type(back) is RadLabError
    assert (back.code, back.status, str(back)) == ("known_nowhere", 409, "All 4 are out. Wait.")
    assert back.as_dict()["error"]["code"] == "known_nowhere"


async def test_what_the_keeper_did_not_foresee_is_a_refusal_too(keeper, settings) -> None:
    keeper.starter.refusal = ZeroDivisionError("a secret word")
    client = KeeperClient(settings)
    with pytest.raises(KeeperFault) as caught:
        await client.see(LEASE)
    assert "secret" not in str(caught.value)
    await client.aclose()


@pytest.mark.parametrize(
    "body",
    [
        {"environment": {"LD_PRELOAD": "/home/student/x.so"}},
        {"environment": {"NVIDIA_VISIBLE_DEVICES": "all"}},
        {"environment": {"PATH": "/home/student"}},
        {"environment": {"JUPYTERHUB_USER ": "mei"}},
        {"environment": {"JUPYTERHUB_USER\n": "mei"}},
        {"environment": {}, "image": "alpine"},
        {"environment": {}, "privileged": True},
        {"environment": {}, "arguments": ["x"] * 65},
        {"environment": {"LANG": "x" * 9000}},
    ],
)
def test_what_is_outside_the_schema_is_refused_and_starts_nothing(keeper, settings, body) -> None:
    transport = httpx.HTTPTransport(uds=str(settings.path("run", "keeper.sock")))
    with httpx.Client(transport=transport, base_url="http://keeper") as http:
        answer = http.put(f"/v1/leases/{LEASE}/container", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "bad_order")
    assert keeper.starter.orders == []


def test_a_stop_with_a_reason_of_ones_own_is_refused() -> None:
    with pytest.raises(ValidationError):
        StopOrder(why="administrator")  # type: ignore[arg-type]


async def test_a_keeper_that_is_started_again_is_waited_for(keeper, settings) -> None:
    client = KeeperClient(settings)
    assert (await client.see(LEASE)).running
    keeper.end()
    asking = asyncio.create_task(client.see(LEASE))
    await asyncio.sleep(0.5)
    assert not asking.done()
    await asyncio.to_thread(keeper.begin)
    assert (await asking).running
    await client.aclose()


async def test_a_start_whose_keeper_is_killed_is_asked_of_the_next(keeper, settings) -> None:
    client, held = KeeperClient(settings), threading.Event()
    keeper.starter.held[LEASE] = held
    starting = asyncio.create_task(client.start(LEASE, StartOrder(environment={})))
    await until(lambda: bool(keeper.starter.orders))
    await asyncio.to_thread(keeper.end)
    held.set()
    await asyncio.to_thread(keeper.begin)
    assert (await starting).container_id == f"c-{LEASE}"
    assert len(keeper.starter.orders) == 2
    await client.aclose()


async def test_without_a_keeper_it_is_said_who_is_away_and_waking_is_no_failure(
    settings: Settings,
) -> None:
    client = KeeperClient(settings, patience=0.3)
    with pytest.raises(KeeperAway, match="radlab logs keeper"):
        await client.see(LEASE)
    await client.wake()
    await client.aclose()


async def test_seventy_slow_starts_delay_no_stop_and_no_look(keeper, settings) -> None:
    client, held = KeeperClient(settings), threading.Event()
    names = [f"{n:032x}" for n in range(70)]
    keeper.starter.held = dict.fromkeys(names, held)
    empty = StartOrder(environment={})
    starts = [asyncio.create_task(client.start(name, empty)) for name in names]
    await until(lambda: len(keeper.starter.orders) == 64)
    assert (await client.see(LEASE)).running
    assert (await client.stop(LEASE)).released
    assert (await client.health()).walls
    assert not any(start.done() for start in starts)
    held.set()
    assert len(await asyncio.gather(*starts)) == 70
    await client.aclose()


def test_the_socket_is_for_root_and_the_system_users_group_and_replaces_a_stale_one(
    keeper, settings
) -> None:
    path = settings.path("run", "keeper.sock")
    found = path.stat()
    assert stat.S_IMODE(found.st_mode) == 0o660 and found.st_uid == os.geteuid()
    keeper.end()
    assert path.is_socket(), "it is left where a keeper was killed"
    keeper.begin()
    assert path.stat().st_ino != found.st_ino


async def test_a_state_folder_with_a_long_name_is_no_hindrance(tmp_path) -> None:
    settings = Settings(state=str(tmp_path / ("long" * 30)))
    settings.make_folders()
    keeper = FakeKeeper(settings)
    await asyncio.to_thread(keeper.begin)
    try:
        client = KeeperClient(settings)
        assert (await client.see(LEASE)).running
        await client.aclose()
    finally:
        await asyncio.to_thread(keeper.end)


async def test_an_unknown_lease_is_the_ledgers_own_refusal(keeper, settings) -> None:
    keeper.starter.refusal = unknown_lease("x")
    client = KeeperClient(settings)
    with pytest.raises(UnknownLease):
        await client.stop(LEASE)
    await client.aclose()
