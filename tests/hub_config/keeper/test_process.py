"""The keeper as its own process on the real engine: it builds, mends and vouches for the walls."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator

import docker
import pytest

from hub_config.db import migrate, open_database
from hub_config.keeper.engine import EngineContainers
from hub_config.network.bridges import ensure_networks, remove_networks
from hub_config.network.walls import (
    WallsDown,
    inspect_walls,
    read_heartbeat,
    require_walls,
    tear_down_walls,
)
from hub_config.settings import Settings

pytestmark = pytest.mark.engine


def wait_for(what: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def stands(settings: Settings) -> bool:
    return bool(read_heartbeat(settings).get("ok"))


@pytest.fixture
def site(settings: Settings) -> Iterator[Settings]:
    values = {
        "instance": f"k{uuid.uuid4().hex[:6]}",
        "closed_subnet": "172.30.251.0/24",
        "open_subnet": "172.30.252.0/24",
    }
    settings.save(values)
    for name, value in values.items():
        setattr(settings, name, value)
    database = open_database(settings.radlab_database_url)
    migrate(database)
    database.dispose()
    client = docker.from_env()
    ensure_networks(client, settings)
    yield settings
    tear_down_walls(settings)
    remove_networks(client, settings)
    client.close()


@pytest.fixture
def keeper(site: Settings) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "RADLAB_STATE": site.state, "PYTHONPATH": ":".join(sys.path)}
    process = subprocess.Popen([sys.executable, "-m", "hub_config.keeper"], env=environment)
    yield process
    if process.poll() is None:
        process.kill()
        process.wait()


def test_the_keeper_keeps_the_walls_and_stops_vouching_when_it_stops(
    site: Settings, keeper: subprocess.Popen[bytes]
) -> None:
    wait_for(lambda: stands(site))
    require_walls(site)
    chain = f"RADLAB-FW-{site.instance}"
    subprocess.run(["iptables", "-w", "-F", chain], check=True)
    assert inspect_walls(site)
    wait_for(lambda: not inspect_walls(site))
    keeper.send_signal(signal.SIGTERM)
    assert keeper.wait(timeout=10) == 0
    with pytest.raises(WallsDown, match="the keeper was stopped"):
        require_walls(site)


def test_containers_of_ours_are_found_by_their_labels_and_removed(
    site: Settings, busybox: str
) -> None:
    client = docker.from_env()
    labels = {"radlab.instance": site.instance, "radlab.lease": "abc"}
    made = client.containers.create(
        busybox, ["/bin/busybox", "sleep", "60"], name=f"{site.instance}-abc", labels=labels
    )
    stranger = client.containers.create(
        busybox, ["/bin/busybox", "true"], labels={"radlab.instance": "other"}
    )
    engine = EngineContainers(site)
    try:
        (found,) = engine.all()
        assert (found.name, found.running) == (f"{site.instance}-abc", False)
        made.start()
        assert [one.running for one in engine.all()] == [True]
        made.pause()
        assert [one.running for one in engine.all()] == [True]
        engine.remove(made.id)
        engine.remove(made.id)  # gone already
        assert engine.all() == []
        stranger.reload()
    finally:
        stranger.remove(force=True)
        client.close()
