"""Two students get two device UUIDs, by the way that NVIDIA's runtime would be told of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from own_engine import OwnEngine
from spawning_support import make_state, tiny_archive, tiny_changes

from hub_config import clock
from hub_config.db import open_database
from hub_config.gpus.rules import Device
from hub_config.gpus.store import DeviceStore
from hub_config.groups.store import GroupStore
from hub_config.network.bridges import ensure_networks
from hub_config.settings import Settings

pytestmark = pytest.mark.engine
UUIDS = ["GPU-11111111-aaaa", "GPU-22222222-bbbb"]


@pytest.fixture(scope="module")
def own_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnEngine]:
    if os.getuid() != 0 or not shutil.which("dockerd"):
        pytest.skip("needs root and dockerd, to run a Docker Engine of its own")
    engine = OwnEngine(tmp_path_factory.mktemp("engine"))
    engine.start()
    yield engine
    engine.stop()


@pytest.fixture
def radlab_there(own_engine: OwnEngine, tmp_path: Path) -> Settings:
    """A RadLab on that engine with two GPUs, both the class `radiology`'s."""
    own_engine.client.api.import_image_from_data(
        tiny_archive(), repository="tiny", tag="1", changes=tiny_changes()
    )
    settings = make_state(
        tmp_path / "state",
        "tiny:1",
        instance="owngpu",
        engine=own_engine.socket,
        closed_subnet="172.30.242.0/24",
        open_subnet="172.30.243.0/24",
    )
    names = ("instance", "engine", "closed_subnet", "open_subnet")
    settings.save({name: getattr(settings, name) for name in names})
    ensure_networks(own_engine.client, settings)
    database = open_database(settings.radlab_database_url)
    GroupStore(database).create("radiology", by="test")
    devices = DeviceStore(database)
    found = [Device(uuid, n, "NVIDIA L4", 23034) for n, uuid in enumerate(UUIDS)]
    devices.record(found, clock.now())
    for uuid in UUIDS:
        devices.assign(uuid, "radiology", by="test")
    return settings


def test_two_leases_hold_two_devices_and_a_third_without_one_sees_none(own_engine, radlab_there):
    program = Path(__file__).with_name("start_two.py")
    roots = os.pathsep.join(path for path in sys.path if path)
    answer = own_engine.inside(
        sys.executable,
        str(program),
        env={**os.environ, "RADLAB_STATE": radlab_there.state, "PYTHONPATH": roots},
        stdout=subprocess.PIPE,
        timeout=180,
    )
    mei, bo, ana = json.loads(answer.stdout.splitlines()[-1])
    assert sorted(mei["uuids"] + bo["uuids"]) == UUIDS
    for student in (mei, bo):
        (request,) = student["requests"]
        assert request["DeviceIDs"] == student["uuids"]
        assert request["Capabilities"] == [["gpu"]]
    assert ana["requests"] == []
    told = dict(line.split() for line in own_engine.hook_log.read_text().splitlines())
    assert told == {
        student["lease"]: f"NVIDIA_VISIBLE_DEVICES={student['uuids'][0]}" for student in (mei, bo)
    }
