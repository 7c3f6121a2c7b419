"""The counters of real containers: what burns a core, and what the kernel kills for memory."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator

import docker
import pytest
from docker.models.containers import Container

from hub_config import clock
from hub_config.keeper.kernel_log import KernelLog
from hub_config.keeper.meter import Meter

pytestmark = pytest.mark.engine

INSTANCE = f"m{uuid.uuid4().hex[:6]}"
BURN = "while :; do :; done"
# A word of the shell that grows until the kernel ends it; the shell around it goes on.
GROW = "/bin/busybox sh -c 'x=aaaaaaaa; while :; do x=$x$x; done'; /bin/busybox sleep 300"


@pytest.fixture
def run(docker_client: docker.DockerClient, busybox: str) -> Iterator[Callable[[str], Container]]:
    started: list[Container] = []

    def start(script: str) -> Container:
        container = docker_client.containers.run(
            busybox,
            ["/bin/busybox", "sh", "-c", script],
            detach=True,
            mem_limit="32m",
            memswap_limit="32m",
            nano_cpus=500_000_000,
            labels={"radlab.instance": INSTANCE},
        )
        started.append(container)
        return container

    yield start
    for container in started:
        container.remove(force=True)


@pytest.mark.parametrize("hidden", [False, True], ids=["control groups", "the engine's stats"])
def test_a_container_that_works_is_told_from_one_that_sleeps(
    docker_client: docker.DockerClient, run: Callable[[str], Container], hidden: bool
) -> None:
    busy, still = run(BURN), run("/bin/busybox sleep 300")
    read = {"read": lambda pid: None} if hidden else {}
    meter = Meter(INSTANCE, lambda: docker_client.api, **read)
    ids = [busy.id, still.id]
    before = meter.readings(ids, clock.now())
    time.sleep(3)
    after = meter.readings(ids, clock.now())
    used = {one: after[one].cpu_seconds - before[one].cpu_seconds for one in ids}
    assert used[busy.id] > 0.3 > used[still.id]
    assert all(0 < after[one].memory_bytes < 32 * 2**20 for one in ids)
    assert all(after[one].oom_kills == 0 for one in ids)


@pytest.mark.parametrize("hidden", [False, True], ids=["control groups", "the engine's events"])
def test_a_kill_for_memory_is_counted(
    docker_client: docker.DockerClient, run: Callable[[str], Container], hidden: bool
) -> None:
    read = {"read": lambda pid: None} if hidden else {}
    meter = Meter(INSTANCE, lambda: docker_client.api, **read)
    first = run("/bin/busybox sleep 300")
    meter.readings([first.id], clock.now())
    container = run(GROW)
    for _ in range(60):
        found = meter.readings([container.id], clock.now())
        if found and found[container.id].oom_kills:
            break
        time.sleep(0.5)
    assert found[container.id].oom_kills == 1
    container.reload()
    assert container.status == "running"
    log = KernelLog()
    # Where the kernel's log may not be read, nobody knows the name.
    names = {"busybox", "sh"} if os.access("/dev/kmsg", os.R_OK) else {None}
    assert log.killed(container.id) in names
    log.close()


def test_a_container_that_is_gone_is_not_read(
    docker_client: docker.DockerClient, run: Callable[[str], Container]
) -> None:
    container = run("/bin/busybox sleep 300")
    meter = Meter(INSTANCE, lambda: docker_client.api)
    assert container.id in meter.readings([container.id], clock.now())
    container.kill()
    container.wait()
    assert meter.readings([container.id, "f" * 64], clock.now()) == {}
