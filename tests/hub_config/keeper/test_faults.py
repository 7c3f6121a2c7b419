"""An engine that refuses, hangs, is slow or fails, at each step of a start, a look and a stop."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker
import pytest
from docker import APIClient
from docker.errors import NotFound
from faulty_engine import FaultyEngine, fail, hang, refuse, slow
from keeper_support import Site, order

from hub_config import clock
from hub_config.containers.model import StopOrder
from hub_config.containers.refusals import EngineTrouble
from hub_config.gpus.rules import Ended, Lease
from hub_config.gpus.store import DeviceStore
from hub_config.keeper.engine import Clients, EngineContainers, EngineSilent, EngineWatch
from hub_config.keeper.loop import Keeper
from hub_config.keeper.rules import START_TAKES, STILL_TAKES

pytestmark = pytest.mark.engine
PATIENCE = 2
STEPS = {
    "look for it": ("GET", r"/containers/[^/]+/json$"),
    "make the home": ("POST", r"/volumes/create$"),
    "look at the home": ("GET", r"/volumes/[^/]+$"),
    "create": ("POST", r"/containers/create$"),
    "start": ("POST", r"/start$"),
}
FAULTS = {"refused": refuse, "hung": hang, "failing": fail}


class ImpatientClients(Clients):
    """Clients that give up after 2 s, so that a test of a hanging engine ends."""

    def _client(self, seconds: int) -> APIClient:
        return super()._client(min(seconds, PATIENCE))


@pytest.fixture
def faulty(tmp_path: Path) -> Iterator[FaultyEngine]:
    engine = FaultyEngine(tmp_path)
    yield engine
    engine.close()


@pytest.fixture
def site(lab: Site, faulty: FaultyEngine) -> Site:
    """The RadLab, whose engine is reached by way of the faulty socket."""
    lab.settings.engine = faulty.address
    return lab


def keeper_of(site: Site) -> Keeper:
    clients = ImpatientClients(site.settings)
    return Keeper(
        site.settings,
        site.ledger,
        DeviceStore(site.database),
        EngineContainers(site.settings, clients),
        locks=site.locks,
    )


def stands(site: Site, lease: Lease, client: docker.DockerClient) -> bool:
    try:
        client.api.inspect_container(site.name(lease))
    except NotFound:
        return False
    return True


def run_rounds_later(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    """One round now, and one as it would be made a minute later."""
    keeper.reconcile()
    keeper.settled()
    then = clock.now
    monkeypatch.setattr(clock, "now", lambda: then() + START_TAKES + STILL_TAKES)
    keeper.reconcile()
    keeper.settled()
    monkeypatch.setattr(clock, "now", then)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("step", STEPS)
def test_a_start_that_the_engine_spoils_is_said_so_and_can_be_asked_again(
    site: Site,
    faulty: FaultyEngine,
    docker_client: docker.DockerClient,
    step: str,
    fault: str,
) -> None:
    lease = site.grant("mei")
    starter = site.starter(ImpatientClients(site.settings))
    faulty.on(*STEPS[step], FAULTS[fault])
    with pytest.raises(EngineTrouble):
        starter.start(lease.id, order())
    assert site.ledger.get(lease.id).active, "unknown is not gone"
    faulty.mend()
    assert not site.ledger.get(lease.id).ready_at
    running = starter.start(lease.id, order())
    assert docker_client.api.inspect_container(running.container_id)["State"]["Running"]


@pytest.mark.parametrize("step", ["create", "start"])
def test_what_the_engine_does_after_it_was_given_up_is_no_second_container(
    site: Site, faulty: FaultyEngine, docker_client: docker.DockerClient, step: str
) -> None:
    lease = site.grant("mei")
    starter = site.starter(ImpatientClients(site.settings))
    faulty.on(*STEPS[step], slow(PATIENCE + 1), times=1)
    with pytest.raises(EngineTrouble):
        starter.start(lease.id, order())
    assert faulty.passed_late.wait(30)
    running = starter.start(lease.id, order())
    label = {"label": f"radlab.lease={lease.id}"}
    (only,) = docker_client.containers.list(all=True, filters=label, ignore_removed=True)
    assert only.id == running.container_id


@pytest.mark.parametrize("step", ["create", "start"])
def test_what_a_spoilt_start_leaves_is_settled_by_the_rounds(
    site: Site,
    faulty: FaultyEngine,
    docker_client: docker.DockerClient,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    lease = site.grant("mei")
    faulty.on(*STEPS[step], hang)
    faulty.on("DELETE", "/containers/", refuse)  # so that the start cannot take it away itself
    starter = site.starter(ImpatientClients(site.settings))
    with pytest.raises(EngineTrouble):
        starter.start(lease.id, order())
    with pytest.raises(EngineTrouble):
        starter.stop(lease.id, StopOrder(why="container_gone", seconds=0))
    assert site.ledger.get(lease.id).active
    faulty.mend()
    run_rounds_later(keeper_of(site), monkeypatch)
    assert site.ledger.get(lease.id).why_ended is Ended.CONTAINER_GONE
    assert not stands(site, lease, docker_client)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("verb_path", [("POST", r"/stop$"), ("DELETE", r"/containers/")])
def test_a_stop_that_the_engine_spoils_releases_nothing_and_can_be_asked_again(
    site: Site,
    faulty: FaultyEngine,
    docker_client: docker.DockerClient,
    verb_path: tuple[str, str],
    fault: str,
) -> None:
    lease = site.grant("mei")
    starter = site.starter(ImpatientClients(site.settings))
    starter.start(lease.id, order())
    faulty.on(*verb_path, FAULTS[fault])
    with pytest.raises(EngineTrouble):
        starter.stop(lease.id, StopOrder(seconds=1))
    assert site.ledger.get(lease.id).active
    assert stands(site, lease, docker_client)
    faulty.mend()
    starter.stop(lease.id, StopOrder(seconds=1))
    assert not site.ledger.get(lease.id).active
    assert not stands(site, lease, docker_client)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_look_that_the_engine_spoils_says_that_nothing_is_known(
    site: Site, faulty: FaultyEngine, docker_client: docker.DockerClient, fault: str
) -> None:
    lease = site.grant("mei")
    starter = site.starter(ImpatientClients(site.settings))
    starter.start(lease.id, order())
    faulty.on("GET", ".", FAULTS[fault])
    with pytest.raises(EngineTrouble):
        starter.see(lease.id)
    with pytest.raises(EngineSilent):
        keeper_of(site).reconcile()
    assert site.ledger.get(lease.id).active
    faulty.mend()
    assert starter.see(lease.id).running


def test_the_engines_watch_says_that_it_is_away_and_back(site: Site, faulty: FaultyEngine) -> None:
    watch = EngineWatch(ImpatientClients(site.settings))
    assert not watch.answers, "it was not asked yet"
    watch.round()
    watch.require()
    faulty.on("GET", "/_ping$", hang)
    with pytest.raises(EngineSilent):
        watch.round()
    assert not watch.answers
    faulty.mend()
    watch.round()
    assert watch.answers


def test_one_users_slow_start_and_stop_delay_nobody_else(site: Site, faulty: FaultyEngine) -> None:
    slow_one, stuck, other = (site.grant(name) for name in ("bo", "eve", "mei"))
    starter = site.starter()
    starter.start(stuck.id, order())
    gate = _Gate()
    faulty.on("POST", f"{site.name(slow_one)}/start$", gate)
    faulty.on("POST", f"{site.name(stuck)}/stop$", gate)
    with ThreadPoolExecutor(2) as pool:
        starting = pool.submit(starter.start, slow_one.id, order())
        stopping = pool.submit(starter.stop, stuck.id, StopOrder(seconds=1))
        gate.wait_for(2)
        starter.start(other.id, order())
        assert starter.see(other.id).running
        starter.stop(other.id, StopOrder(seconds=1))
        assert not starting.done() and not stopping.done()
        gate.open()
        starting.result()
        stopping.result()


def test_a_start_on_a_slow_engine_takes_its_time_and_arrives(
    site: Site, faulty: FaultyEngine
) -> None:
    lease = site.grant("mei")
    faulty.on("POST", ".", slow(0.5))
    site.starter().start(lease.id, order())
    assert site.ledger.get(lease.id).ready_at


class _Gate:
    """A fault that holds questions back until the test opens it."""

    def __init__(self) -> None:
        self._came = threading.Semaphore(0)
        self._opened = threading.Event()

    def __call__(self, asking: object, over: object) -> bool:
        self._came.release()
        assert self._opened.wait(120)
        return False

    def wait_for(self, count: int) -> None:
        for _ in range(count):
            assert self._came.acquire(timeout=60)

    def open(self) -> None:
        self._opened.set()


def test_a_fault_meets_what_it_was_set_for(site: Site, faulty: FaultyEngine) -> None:
    """The fault-injecting socket itself."""
    client = ImpatientClients(site.settings).looks
    faulty.on("GET", "/info$", fail, times=1)
    with pytest.raises(docker.errors.APIError, match="on fire"):
        client.info()
    assert client.info()["ID"]
    assert any(line.endswith("/info") for line in faulty.asked)
