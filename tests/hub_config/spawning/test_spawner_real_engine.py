"""A start leaves a lease and a fenced container, an end leaves the home and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import docker
import pytest
from engine_keeper import EngineKeeper
from hub_under_test import SmallHub
from spawning_support import DEAF, MODULE

from hub_config import clock
from hub_config.gpus.inventory import find_devices
from hub_config.gpus.rules import Ended
from hub_config.settings import Settings
from hub_config.spawning.refusal import Refused

pytestmark = pytest.mark.engine
MODULE_WITH_GPU = {"module": MODULE["id"], "gpu": True, "language": "zh_CN"}
ENVIRONMENT = {"image": "tiny", "gpus": 0}


@pytest.fixture
def keeper(radlab: Settings) -> AsyncIterator[EngineKeeper]:
    keeper = EngineKeeper(radlab)
    yield keeper
    keeper.close()


@pytest.fixture
def hub(radlab: Settings, keeper: EngineKeeper) -> SmallHub:
    """A Hub on a RadLab with one simulated GPU, which belongs to the class `radiology`."""
    radlab.simulate_gpus = "1x24"
    small = SmallHub(radlab)
    small.stores.devices.record(find_devices(radlab), clock.now())
    small.stores.groups.create("radiology", by="test")
    (device,) = small.stores.devices.all()
    small.stores.devices.assign(device.uuid, "radiology", by="test")
    return small


def containers(client: docker.DockerClient, settings: Settings) -> list:
    label = f"radlab.instance={settings.instance}"
    return client.containers.list(all=True, filters={"label": label}, ignore_removed=True)


def inside(container, *command: str) -> tuple[int, str]:
    code, output = container.exec_run(["/bin/busybox", *command])
    return code, output.decode()


async def test_a_started_server_answers_at_its_own_address_and_bears_its_lease(
    hub, radlab, docker_client
):
    spawner = hub.spawner("mei", ("radiology",), **MODULE_WITH_GPU)
    address, port = await spawner.start()
    (lease,) = hub.stores.ledger.active()
    (container,) = containers(docker_client, radlab)
    _, writer = await asyncio.open_connection(address, port)
    writer.close()
    assert container.name == f"{radlab.instance}-{lease.id}"
    assert container.labels["radlab.lease"] == lease.id
    assert lease.started_at is not None and lease.container_id == container.id
    assert (lease.gpu_count, lease.minutes, lease.module) == (1, 45, "05_classification")
    assert spawner.default_url == "/lab/tree/05_classification/lesson.zh.ipynb"
    assert await spawner.poll() is None
    await spawner.stop()


async def test_inside_there_is_no_right_to_gain_and_nothing_to_write_but_home_and_tmp(
    hub, radlab, docker_client
):
    spawner = hub.spawner("mei", **ENVIRONMENT)
    await spawner.start()
    (container,) = containers(docker_client, radlab)
    status = inside(container, "grep", "-E", "CapEff|CapBnd|NoNewPrivs", "/proc/self/status")[1]
    assert status.split() == ["CapEff:", "0" * 16, "CapBnd:", "0" * 16, "NoNewPrivs:", "1"]
    assert inside(container, "id", "-u")[1] == "10001\n"
    for path, code in (
        ("/x", 1), ("/datasets/x", 1), ("/modules/x", 1), ("/home/student/x", 0), ("/tmp/x", 0),
    ):  # fmt: skip
        assert inside(container, "touch", path)[0] == code, path
    assert "inet6" not in inside(container, "ip", "address")[1]
    environment = inside(container, "env")[1]
    assert "NVIDIA_VISIBLE_DEVICES=void" in environment  # the image says "all"
    assert f"http://{radlab.hub_address}:{radlab.hub_port}/hub/api" in environment
    await spawner.stop()


async def test_a_home_belongs_to_the_student_and_outlives_the_session(hub, radlab, docker_client):
    spawner = hub.spawner("mei", **ENVIRONMENT)
    await spawner.start()
    (container,) = containers(docker_client, radlab)
    assert inside(container, "touch", "/home/student/mine")[0] == 0
    await spawner.stop()
    home = Path(radlab.path("homes", "mei"))
    assert (home.stat().st_uid, home.stat().st_gid) == (10001, 10001)
    assert (home / "from-image.txt").read_text() == "hi\n"
    again = hub.spawner("mei", **ENVIRONMENT)
    await again.start()
    (container,) = containers(docker_client, radlab)
    assert inside(container, "ls", "/home/student/mine")[0] == 0
    await again.stop()


async def test_stopping_frees_the_gpu_and_removes_the_container(hub, radlab, docker_client):
    spawner = hub.spawner("mei", ("radiology",), **MODULE_WITH_GPU)
    await spawner.start()
    lease_id = spawner.lease_id
    await spawner.stop()
    assert hub.stores.ledger.get(lease_id).why_ended is Ended.STOPPED
    assert containers(docker_client, radlab) == []
    assert hub.stores.ledger.free_for(["radiology"], clock.now()).free == 1
    assert spawner.get_state() == {}
    assert await spawner.poll() == 0


async def test_an_image_that_is_gone_frees_the_lease_again(hub, radlab):
    (there,) = hub.stores.images().all
    path = radlab.path("offers", "images.yaml")
    path.write_text(path.read_text().replace(there.tag, "radlab-test-nowhere:1"))
    with pytest.raises(Refused, match="radlab-test-nowhere:1 is not on this server"):
        await hub.spawner("mei", ("radiology",), **MODULE_WITH_GPU).start()
    assert hub.stores.ledger.active() == []
    assert hub.stores.ledger.free_for(["radiology"], clock.now()).free == 1


async def test_a_container_that_vanishes_frees_its_lease_at_the_next_look(
    hub, radlab, docker_client
):
    spawner = hub.spawner("mei", ("radiology",), **MODULE_WITH_GPU)
    await spawner.start()
    lease_id = spawner.lease_id
    containers(docker_client, radlab)[0].remove(force=True)
    assert await spawner.poll() == "gone"
    assert hub.stores.ledger.get(lease_id).why_ended is Ended.CONTAINER_GONE


async def test_a_restarted_hub_finds_the_server_by_what_it_kept(hub, radlab):
    first = hub.spawner("mei", ("radiology",), **MODULE_WITH_GPU)
    address, port = await first.start()
    kept = first.orm_spawner.state
    second = hub.spawner("mei", ("radiology",))
    second.load_state(kept)
    assert await second.poll() is None
    assert await second.get_url() == f"http://{address}:{port}/user/mei/"
    assert second.session["title"]["zh_CN"] == "分类：胸片"
    await second.stop()


async def test_a_lease_that_the_hub_forgot_does_not_lock_its_student_out(
    hub, radlab, docker_client
):
    forgotten = hub.spawner("mei", ("radiology",), **MODULE_WITH_GPU)
    await forgotten.start()
    again = hub.spawner("mei", ("radiology",), **MODULE_WITH_GPU)
    await again.start()
    ended = hub.stores.ledger.get(forgotten.lease_id)
    assert ended.why_ended is Ended.CONTAINER_GONE
    assert [each.name for each in containers(docker_client, radlab)] == [
        f"{radlab.instance}-{again.lease_id}"
    ]
    await again.stop()


async def test_a_class_that_may_use_the_internet_is_on_the_open_network(hub, radlab, docker_client):
    hub.stores.groups.set_internet("radiology", True, by="test")
    spawner = hub.spawner("mei", ("radiology",), **MODULE_WITH_GPU)
    await spawner.start()
    (container,) = containers(docker_client, radlab)
    assert list(container.attrs["NetworkSettings"]["Networks"]) == [f"{radlab.instance}1"]
    await spawner.stop()


async def test_the_second_student_starts_by_themselves_when_the_gpu_is_free(
    hub, radlab, docker_client
):
    first = hub.spawner("mei", ("radiology",), **MODULE_WITH_GPU)
    await first.start()
    second = hub.spawner("bo", ("radiology",), **MODULE_WITH_GPU)
    starting = asyncio.ensure_future(second.start())
    done, _ = await asyncio.wait([starting], timeout=2)
    assert not done and len(containers(docker_client, radlab)) == 1
    await first.stop()
    await starting
    (container,) = containers(docker_client, radlab)
    assert container.labels["radlab.user"] == "bo"
    await second.stop()


async def test_who_starts_while_the_walls_do_not_stand_waits_until_they_do(
    hub, keeper, radlab, docker_client
):
    keeper.walls_stand = False
    await asyncio.sleep(1)
    spawner = hub.spawner("mei", **ENVIRONMENT)
    starting = asyncio.ensure_future(spawner.start())
    done, _ = await asyncio.wait([starting], timeout=2)
    assert not done and hub.stores.ledger.active() == []
    keeper.walls_stand = True
    await starting
    await spawner.stop()


async def test_a_container_that_ends_while_it_starts_is_reported(hub, radlab, docker_client):
    spawner = hub.spawner("mei", **ENVIRONMENT)
    spawner.cmd = ["/bin/sh", "-c", "exit 3"]
    with pytest.raises(Refused, match=r"ended while it was starting \(exit code 3\)"):
        await spawner.start()
    assert containers(docker_client, radlab) == []
    assert hub.stores.ledger.active() == [] and hub.stores.queue.open() == []


async def test_who_leaves_while_the_container_starts_leaves_nothing(hub, radlab, docker_client):
    spawner = hub.spawner("mei", ("radiology",), **MODULE_WITH_GPU)
    spawner.cmd = DEAF  # listens nowhere, so that the start goes on waiting
    starting = asyncio.ensure_future(spawner.start())
    for _ in range(100):
        await asyncio.sleep(0.1)
        if containers(docker_client, radlab):
            break
    hub.stores.queue.leave(spawner.place_id, "mei", clock.now())
    with pytest.raises(Refused, match="given up"):
        await starting
    assert containers(docker_client, radlab) == []
    assert hub.stores.ledger.active() == []


async def test_a_hub_started_again_in_the_midst_of_a_start_gets_a_container_of_its_own(
    hub, radlab, docker_client
):
    lost = hub.spawner("mei", **ENVIRONMENT)
    lost.cmd = DEAF
    starting = asyncio.ensure_future(lost.start())
    for _ in range(100):
        await asyncio.sleep(0.1)
        if containers(docker_client, radlab):
            break
    starting.cancel()
    await asyncio.wait([starting])
    spawner = SmallHub(radlab).spawner("mei", **ENVIRONMENT)
    spawner.api_token = "another-token"
    await asyncio.wait_for(spawner.start(), 120)
    (container,) = containers(docker_client, radlab)
    assert "another-token" in inside(container, "env")[1]
    assert container.name == f"{radlab.instance}-{spawner.lease_id}"
    await spawner.stop()
