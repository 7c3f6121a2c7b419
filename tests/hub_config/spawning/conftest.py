"""A RadLab on the real engine, with an image of a few kilobytes."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from spawning_support import make_state, tiny_archive, tiny_changes

from hub_config.network.bridges import ensure_networks, remove_networks
from hub_config.settings import Settings


@pytest.fixture(scope="session")
def tiny(docker_client: docker.DockerClient) -> Iterator[str]:
    """The name of the tiny image, whose start command is a web server."""
    name = f"radlab-test-tiny:{uuid.uuid4().hex[:8]}"
    repository, tag = name.split(":")
    docker_client.api.import_image_from_data(
        tiny_archive(), repository=repository, tag=tag, changes=tiny_changes()
    )
    yield name
    docker_client.images.remove(name, force=True)


@pytest.fixture
def radlab(tmp_path: Path, tiny: str, docker_client: docker.DockerClient) -> Iterator[Settings]:
    """A RadLab of this test's own on the real engine; what it leaves there is taken away."""
    settings = make_state(
        tmp_path / "s",
        tiny,
        instance=f"s{uuid.uuid4().hex[:6]}",
        closed_subnet="172.30.232.0/24",
        open_subnet="172.30.233.0/24",
    )
    ensure_networks(docker_client, settings)
    yield settings
    label = {"label": f"radlab.instance={settings.instance}"}
    for container in docker_client.containers.list(all=True, filters=label, ignore_removed=True):
        container.remove(force=True)
    for volume in docker_client.volumes.list(filters=label):
        volume.remove(force=True)
    remove_networks(docker_client, settings)
