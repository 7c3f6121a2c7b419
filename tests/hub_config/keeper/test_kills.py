"""The keeper's process is killed at many points of a start, and the next one takes it up."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.errors import NotFound
from faulty_engine import FaultyEngine, refuse, through
from keeper_support import Site, order, wait_for

from hub_config import clock
from hub_config.containers.client import KeeperClient
from hub_config.containers.model import StopOrder
from hub_config.gpus.rules import Ended
from hub_config.network.walls import tear_down_walls
from hub_config.queueing.model import Place, State

pytestmark = pytest.mark.engine
HTTPD = ("/bin/busybox", "httpd", "-f", "-p", "8888", "-h", "/home/student")

# Each question that a start asks of the engine; the keeper dies before or after it is answered.
POINTS = [
    ("before", "POST", r"/volumes/create$"),
    ("before", "POST", r"/containers/create$"),
    ("after", "POST", r"/containers/create$"),
    ("before", "POST", r"/start$"),
    ("after", "POST", r"/start$"),
    ("after", "GET", r"/containers/[^/]+/json$"),
]


class KeeperProcess:
    """`python -m hub_config.keeper`, killed and started again."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        state = {"RADLAB_STATE": self.site.settings.state, "PYTHONPATH": ":".join(sys.path)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hub_config.keeper"], env={**os.environ, **state}
        )

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()


@pytest.fixture
def faulty(lab: Site, tmp_path: Path) -> Iterator[FaultyEngine]:
    engine = FaultyEngine(tmp_path)
    lab.settings.save({"engine": engine.address})
    yield engine
    engine.close()


@pytest.fixture
def keeper(lab: Site, faulty: FaultyEngine) -> Iterator[KeeperProcess]:
    process = KeeperProcess(lab)
    process.begin()
    yield process
    process.kill()
    tear_down_walls(lab.settings)


def enter(site: Site, name: str) -> Place:
    return site.queue.enter(name, "", (), site.request(name), {}, name, clock.now())


async def leased(site: Site, place: Place) -> str:
    """The lease that the keeper's dispatcher gives to that place."""
    await asyncio.to_thread(wait_for, lambda: site.queue.get(place.id).lease_id)
    return site.queue.get(place.id).lease_id or ""


async def test_a_start_whose_keeper_is_killed_arrives_and_a_running_server_never_notices(
    lab: Site, keeper: KeeperProcess, faulty: FaultyEngine, docker_client: docker.DockerClient
) -> None:
    client = KeeperClient(lab.settings)
    first = await leased(lab, enter(lab, "first"))
    running = await client.start(first, order())
    began = docker_client.api.inspect_container(running.container_id)["State"]
    for number, (moment, verb, path) in enumerate(POINTS):
        place = enter(lab, f"s{number}")
        lease_id = await leased(lab, place)
        died = die(keeper, faulty, moment, verb, path)
        starting = asyncio.create_task(client.start(lease_id, order()))
        await asyncio.to_thread(wait_for, died.is_set)
        keeper.begin()
        arrived = await starting
        label = {"label": f"radlab.lease={lease_id}"}
        (only,) = docker_client.containers.list(all=True, filters=label, ignore_removed=True)
        assert (only.id, only.status) == (arrived.container_id, "running"), (moment, path)
        lease = lab.ledger.get(lease_id)
        assert lease.active and lease.ready_at and lease.container_id == only.id
        assert lab.queue.get(place.id).state is State.DONE
        now = docker_client.api.inspect_container(running.container_id)["State"]
        assert (now["Pid"], now["StartedAt"]) == (began["Pid"], began["StartedAt"])
    await client.aclose()


def die(
    keeper: KeeperProcess, faulty: FaultyEngine, moment: str, verb: str, path: str
) -> threading.Event:
    """Let the keeper die at that question; the event is set when it has."""
    died = threading.Event()

    def now() -> None:
        keeper.kill()
        died.set()

    def before(asking: socket.socket, over: threading.Event) -> bool:
        now()
        return True

    if moment == "before":
        faulty.on(verb, path, before, times=1)
    else:
        faulty.on(verb, path, through, times=1, answered=now)
    return died


async def test_a_container_that_starts_while_the_keeper_is_killed_is_waited_for_and_kept(
    lab: Site, keeper: KeeperProcess, docker_client: docker.DockerClient
) -> None:
    client = KeeperClient(lab.settings)
    lease_id = await leased(lab, enter(lab, "mei"))
    go = "/home/student/go"
    late = f"until [ -e {go} ]; do /bin/busybox sleep 1; done; exec {' '.join(HTTPD)}"
    starting = asyncio.create_task(client.start(lease_id, order("/bin/sh", "-c", late)))
    await asyncio.to_thread(wait_for, lambda: lab.ledger.get(lease_id).started_at)
    before = lab.ledger.get(lease_id)
    keeper.kill()
    keeper.begin()
    (lab.home("mei") / "go").touch()
    assert (await starting).container_id == before.container_id
    after = lab.ledger.get(lease_id)
    assert after.started_at == before.started_at and after.ready_at
    await client.aclose()


async def test_a_keeper_killed_in_a_stop_has_the_lease_released_by_the_next(
    lab: Site, keeper: KeeperProcess, faulty: FaultyEngine, docker_client: docker.DockerClient
) -> None:
    client = KeeperClient(lab.settings)
    lease_id = await leased(lab, enter(lab, "mei"))
    await client.start(lease_id, order())
    died = die(keeper, faulty, "after", "DELETE", "/containers/")
    stopping = asyncio.create_task(client.stop(lease_id, StopOrder(seconds=1)))
    await asyncio.to_thread(wait_for, died.is_set)
    stopping.cancel()  # whoever asked is gone, too
    keeper.begin()
    await asyncio.to_thread(wait_for, lambda: not lab.ledger.get(lease_id).active)
    assert lab.ledger.get(lease_id).why_ended is Ended.CONTAINER_GONE
    with pytest.raises(NotFound):
        docker_client.api.inspect_container(lab.name(lab.ledger.get(lease_id)))
    await client.aclose()


async def test_nothing_is_granted_while_the_engine_is_away_and_all_is_when_it_is_back(
    lab: Site, keeper: KeeperProcess, faulty: FaultyEngine
) -> None:
    client = KeeperClient(lab.settings)
    await asyncio.to_thread(wait_for, lambda: lab.settings.path("run", "keeper.sock").exists())
    faulty.on("GET", ".", refuse)
    while (await client.health()).engine:  # noqa: ASYNC110  the keeper asks it every 2 s
        await asyncio.sleep(0.1)
    place = enter(lab, "mei")
    await client.wake()
    await asyncio.sleep(2)
    assert lab.queue.get(place.id).state is State.WAITING
    faulty.mend()
    await leased(lab, place)
    await client.aclose()
