"""A Docker Engine of the test's own is ended and started again under the keeper's feet."""

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

from hub_config.network.bridges import ensure_networks
from hub_config.settings import Settings

pytestmark = pytest.mark.engine


@pytest.fixture
def own_engine(tmp_path: Path) -> Iterator[OwnEngine]:
    if os.getuid() != 0 or not shutil.which("dockerd"):
        pytest.skip("needs root and dockerd, to run a Docker Engine of its own")
    engine = OwnEngine(tmp_path)
    engine.start()
    yield engine
    engine.stop()


@pytest.fixture
def site(own_engine: OwnEngine, tmp_path: Path) -> Settings:
    own_engine.client.api.import_image_from_data(
        tiny_archive(), repository="tiny", tag="1", changes=tiny_changes()
    )
    values = {
        "instance": "kownre",
        "engine": own_engine.socket,
        "closed_subnet": "172.30.238.0/24",
        "open_subnet": "172.30.239.0/24",
    }
    settings = make_state(tmp_path / "state", "tiny:1", **values)
    settings.save(values)
    ensure_networks(own_engine.client, settings)
    return settings


def test_sessions_that_ended_with_the_engine_are_released_and_the_next_start_at_once(
    own_engine: OwnEngine, site: Settings
) -> None:
    program = Path(__file__).with_name("restart_engine.py")
    roots = os.pathsep.join(path for path in sys.path if path)
    # In the engine's network namespace: a container is reached from there alone.
    inside = subprocess.Popen(
        [*own_engine.enter, sys.executable, str(program)],
        env={**os.environ, "RADLAB_STATE": site.state, "PYTHONPATH": roots},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert inside.stdin and inside.stdout
        assert json.loads(inside.stdout.readline()) == {"running": True}
        own_engine.end()
        print("away", file=inside.stdin, flush=True)
        told = json.loads(inside.stdout.readline())
        assert told == {
            "see": "engine_trouble", "start": "engine_trouble", "stop": "engine_trouble",
            "watch": "engine_silent", "active": True,
        }  # fmt: skip
        own_engine.start_again()
        print("back", file=inside.stdin, flush=True)
        told = json.loads(inside.stdout.readline())
        assert told == {"first": "container_gone", "second": True, "watch": True, "standing": 1}
    finally:
        inside.stdin.close()
        assert inside.wait(60) == 0
