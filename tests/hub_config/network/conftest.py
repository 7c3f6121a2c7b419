"""A RadLab's networks of the tests' own, walled, on the real engine."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import docker
import pytest

from hub_config.network.bridges import ensure_networks, remove_networks
from hub_config.network.walls import build_walls, tear_down_walls
from hub_config.settings import Settings


@pytest.fixture(scope="module")
def walled(
    docker_client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    settings = Settings(
        state=str(tmp_path_factory.mktemp("walled")),
        instance=f"w{uuid.uuid4().hex[:6]}",
        closed_subnet="172.30.248.0/24",
        open_subnet="172.30.249.0/24",
        hub_port=18081,
        port=18000,
    )
    settings.make_folders()
    ensure_networks(docker_client, settings)
    build_walls(settings)
    yield settings
    tear_down_walls(settings)
    remove_networks(docker_client, settings)
