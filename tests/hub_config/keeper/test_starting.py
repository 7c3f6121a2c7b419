"""Starts, looks and stops on the real engine, as the keeper's threads do them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import docker
import pytest
from docker.errors import NotFound
from keeper_support import Site, order, wait_for
from spawning_support import DEAF, DEAF_SERVER

from hub_config import clock
from hub_config.containers.model import StopOrder
from hub_config.containers.refusals import LabEnded, StartStopped
from hub_config.gpus.rules import Device, Ended, LeaseOver, UnknownLease
from hub_config.gpus.store import DeviceStore
from hub_config.network.walls import WallsDown, report
from hub_config.offers.images import UnknownImage
from hub_config.queueing.model import State

pytestmark = pytest.mark.engine


def test_all_of_a_container_follows_from_its_lease(
    lab: Site, docker_client: docker.DockerClient
) -> None:
    visible = lab.settings.path("datasets", "visible", "everyone")
    (visible / "chest" / "1.0.0").mkdir(parents=True)
    lease = lab.grant("mei", cpus=0.5, memory_mb=192)
    running = lab.starter().start(lease.id, order(JUPYTERHUB_API_TOKEN="abc", RADLAB_LEASE="x"))
    facts = docker_client.api.inspect_container(lab.name(lease))
    limits, labels = facts["HostConfig"], facts["Config"]["Labels"]
    assert (limits["Memory"], limits["CpuQuota"], limits["PidsLimit"]) == (192 << 20, 50_000, 100)
    assert labels["radlab.lease"] == lease.id and labels["radlab.user"] == "mei"
    environment = dict(word.split("=", 1) for word in facts["Config"]["Env"])
    assert environment["JUPYTERHUB_API_TOKEN"] == "abc"
    assert environment["RADLAB_LEASE"] == lease.id
    assert environment["NVIDIA_VISIBLE_DEVICES"] == "void"
    network = facts["NetworkSettings"]["Networks"][f"{lab.settings.instance}0"]
    assert (running.address, running.port) == (network["IPAddress"], 8888)
    kept = lab.ledger.get(lease.id)
    assert kept.container_id == running.container_id == facts["Id"]
    assert kept.started_at and kept.ready_at
    assert kept.image_digest == facts["Image"]
    assert kept.datasets == ("chest@1.0.0",)
    assert (lab.home("mei") / "from-image.txt").read_text() == "hi\n"
    assert lab.home("mei").stat().st_uid == 10001


def test_a_lease_with_a_simulated_gpu_asks_the_engine_for_none(
    lab: Site, docker_client: docker.DockerClient
) -> None:
    lab.groups.create("radiology", internet=True, by="test")
    devices = DeviceStore(lab.database)
    devices.record([Device("SIM-1", 0, "Simulated", 24576, simulated=True)], clock.now())
    devices.assign("SIM-1", "radiology", by="test")
    lease = lab.grant("mei", groups=("radiology",), gpu_count=1)
    lab.starter().start(lease.id, order())
    facts = docker_client.api.inspect_container(lab.name(lease))
    assert not facts["HostConfig"]["DeviceRequests"]
    assert {"RADLAB_GPUS=SIM-1", "RADLAB_GPUS_SIMULATED=1"} <= set(facts["Config"]["Env"])
    assert list(facts["NetworkSettings"]["Networks"]) == [f"{lab.settings.instance}1"]


def test_asking_twice_is_harmless_and_fresh_makes_it_anew(lab: Site) -> None:
    lease, starter = lab.grant("mei"), lab.starter()
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: starter.start(lease.id, order()), range(2))
    assert first == second
    fresh = starter.start(lease.id, order(fresh=True))
    assert fresh.container_id != first.container_id
    assert lab.ledger.get(lease.id).container_id == fresh.container_id
    assert lab.locks.handled() == frozenset()


def test_a_start_closes_the_place_in_line_and_tells_the_dispatcher(lab: Site) -> None:
    place = lab.queue.enter("mei", "", (), lab.request("mei"), {}, "mei", clock.now())
    (starting,) = lab.queue.dispatch(clock.now(), 1)
    assert starting.id == place.id and starting.lease_id
    lab.starter().start(starting.lease_id, order())
    assert lab.queue.get(place.id).state is State.DONE
    assert lab.freed


def test_a_start_that_is_asked_for_again_after_it_arrived_keeps_its_internet(
    lab: Site, docker_client: docker.DockerClient
) -> None:
    lab.groups.create("radiology", internet=True, by="test")
    lab.groups.create("anatomy", by="test")  # the lease counts for the first of the two
    groups, request = ("anatomy", "radiology"), lab.request("mei")
    lab.queue.enter("mei", "", groups, request, {}, "mei", clock.now())
    (starting,) = lab.queue.dispatch(clock.now(), 1)
    lease = lab.ledger.get(starting.lease_id or "")
    for fresh in (False, True):
        lab.starter().start(lease.id, order(fresh=fresh))
        facts = docker_client.api.inspect_container(lab.name(lease))
        assert list(facts["NetworkSettings"]["Networks"]) == [f"{lab.settings.instance}1"]
    assert lab.queue.get(starting.id).state is State.DONE


def test_a_lease_that_is_over_or_unknown_starts_nothing(lab: Site) -> None:
    lease, starter = lab.grant("mei"), lab.starter()
    lab.ledger.release(lease.id, Ended.STOPPED, clock.now())
    with pytest.raises(LeaseOver):
        starter.start(lease.id, order())
    with pytest.raises(UnknownLease):
        starter.start("0" * 32, order())
    with pytest.raises(UnknownLease):
        starter.see("0" * 32)
    with pytest.raises(UnknownLease):
        starter.stop("0" * 32, StopOrder())


def test_nothing_starts_while_the_walls_are_down_or_from_an_image_that_is_not_offered(
    lab: Site,
) -> None:
    starter = lab.starter()
    stranger = lab.grant("bo", image="alpine")
    with pytest.raises(UnknownImage):
        starter.start(stranger.id, order())
    lease = lab.grant("mei")
    report(lab.settings, ["somebody removed them"])
    with pytest.raises(WallsDown):
        starter.start(lease.id, order())
    assert not starter.see(lease.id).standing and lab.ledger.get(lease.id).active


def test_a_lab_that_ends_at_once_is_said_to_and_removed(
    lab: Site, caplog: pytest.LogCaptureFixture
) -> None:
    lease, starter = lab.grant("mei"), lab.starter()
    with pytest.raises(LabEnded, match="exit code 3"):
        starter.start(lease.id, order("/bin/sh", "-c", "echo last words; exit 3"))
    assert "'last words'" in caplog.text
    assert not starter.see(lease.id).standing
    assert starter.stop(lease.id, StopOrder(why="failed_start")).released
    assert lab.ledger.get(lease.id).why_ended is Ended.FAILED_START


def test_a_stop_ends_a_start_under_way_and_releases_its_lease(lab: Site) -> None:
    lease, starter = lab.grant("mei"), lab.starter()
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(starter.start, lease.id, order(*DEAF))  # never listens
        wait_for(lambda: starter.see(lease.id).running)
        assert starter.stop(lease.id, StopOrder(seconds=0)).released
        with pytest.raises(StartStopped):
            starting.result()
    assert lab.ledger.get(lease.id).why_ended is Ended.STOPPED
    assert not starter.see(lease.id).standing


def test_a_start_anew_ends_the_one_that_is_under_way(lab: Site) -> None:
    lease, starter = lab.grant("mei"), lab.starter()
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(starter.start, lease.id, order(*DEAF))  # never listens
        wait_for(lambda: starter.see(lease.id).running)
        running = starter.start(lease.id, order(fresh=True))
        with pytest.raises(StartStopped):
            starting.result()
    assert starter.see(lease.id).address == running.address
    assert lab.ledger.get(lease.id).active


def test_stopping_twice_is_harmless_and_keeps_the_first_reason(lab: Site) -> None:
    lease, starter = lab.grant("mei"), lab.starter()
    starter.start(lease.id, order())
    lab.ledger.note_end(lease.id, Ended.IDLE)
    assert starter.stop(lease.id, StopOrder()).released
    assert starter.stop(lease.id, StopOrder(why="container_gone")).released
    assert lab.ledger.get(lease.id).why_ended is Ended.IDLE


def test_an_image_that_ignores_sigterm_delays_nobody_else(lab: Site) -> None:
    deaf, other, starter = lab.grant("bo"), lab.grant("mei"), lab.starter()
    starter.start(deaf.id, order(*DEAF_SERVER))
    ended: list[str] = []

    def stop_the_deaf() -> None:
        starter.stop(deaf.id, StopOrder(seconds=8))
        ended.append("deaf")

    stopping = threading.Thread(target=stop_the_deaf)
    stopping.start()
    starter.start(other.id, order())
    ended.append("started")
    starter.stop(other.id, StopOrder(seconds=8))
    ended.append("stopped")
    stopping.join()
    assert ended == ["started", "stopped", "deaf"]


def test_a_container_that_was_made_and_never_started_is_made_anew(
    lab: Site, docker_client: docker.DockerClient
) -> None:
    lease, starter = lab.grant("mei"), lab.starter()
    starter.start(lease.id, order())
    docker_client.api.kill(lab.name(lease))
    assert starter.see(lease.id).standing and not starter.see(lease.id).running
    running = starter.start(lease.id, order())
    assert docker_client.api.inspect_container(running.container_id)["State"]["Running"]
    starter.stop(lease.id, StopOrder(seconds=0))
    with pytest.raises(NotFound):
        docker_client.api.inspect_container(lab.name(lease))
