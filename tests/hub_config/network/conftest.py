"""A RadLab's networks of the tests' own on the real engine, with a tiny image to stand in them."""

from __future__ import annotations

import io
import shutil
import tarfile
import uuid
from collections.abc import Iterator

import docker
import pytest

from hub_config.network.bridges import ensure_networks, remove_networks
from hub_config.network.walls import build_walls, tear_down_walls
from hub_config.settings import Settings


def busybox_archive() -> bytes:
    program = shutil.which("busybox")
    if program is None:
        pytest.skip("needs busybox-static, which `./radlab test` installs")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(program, "bin/busybox")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def docker_client() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture(scope="module")
def busybox(docker_client: docker.DockerClient) -> Iterator[str]:
    name = f"radlab-test-busybox:{uuid.uuid4().hex[:8]}"
    docker_client.api.import_image_from_data(busybox_archive(), *name.split(":"))
    yield name
    docker_client.images.remove(name, force=True)


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
