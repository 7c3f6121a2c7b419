"""The real engine with a tiny image to stand in it, for slices that reach Docker."""

from __future__ import annotations

import io
import shutil
import tarfile
import uuid
from collections.abc import Iterator

import docker
import pytest


def busybox_archive() -> bytes:
    program = shutil.which("busybox")
    if program is None:
        pytest.skip("needs busybox-static, which `./radlab test` installs")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(program, "bin/busybox")
    return buffer.getvalue()


@pytest.fixture(scope="session")
def docker_client() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture(scope="session")
def busybox(docker_client: docker.DockerClient) -> Iterator[str]:
    name = f"radlab-test-busybox:{uuid.uuid4().hex[:8]}"
    docker_client.api.import_image_from_data(busybox_archive(), *name.split(":"))
    yield name
    docker_client.images.remove(name, force=True)
