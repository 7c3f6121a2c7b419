"""Where the images' own package lies, and how a student's container is run in these tests."""

from __future__ import annotations

import json
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.models.containers import Container

from hub_config.machine.image_build import has_image, read_site
from hub_config.offers.building import Build, plan_builds
from hub_config.offers.images import load_images
from hub_config.settings import load_settings

ROOT = Path(__file__).parents[2]
TOKEN = "only-for-this-test"
# `radlab_session` is installed in the images, not in the environment of the tests.
sys.path.insert(0, str(ROOT / "images" / "base" / "session"))
sys.path.insert(0, str(Path(__file__).parent))  # for images_fake_hub.py


@dataclass(frozen=True)
class Lab:
    """A container with JupyterLab alone, hardened as the spawner hardens it."""

    container: Container

    @property
    def address(self) -> str:
        self.container.reload()
        networks = self.container.attrs["NetworkSettings"]["Networks"]
        return f"http://{networks['bridge']['IPAddress']}:8888"

    def get(self, path: str) -> str:
        request = urllib.request.Request(
            f"{self.address}{path}", headers={"Authorization": f"token {TOKEN}"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return str(answer.read().decode())

    def post(self, path: str, body: dict[str, Any]) -> str:
        request = urllib.request.Request(
            f"{self.address}{path}",
            data=json.dumps(body).encode(),
            headers={"Authorization": f"token {TOKEN}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return str(answer.read().decode())

    def landing(self) -> str:
        """Where a browser that opens the server ends up."""
        with urllib.request.urlopen(f"{self.address}/?token={TOKEN}", timeout=60) as answer:
            return str(answer.geturl()).removeprefix(self.address)

    def wait(self) -> dict[str, Any]:
        """The session as JupyterLab is told it, once the server answers."""
        return dict(json.loads(self.wait_for("/radlab/session")))

    def wait_for(self, path: str) -> str:
        """What the server answers at `path`, once it answers."""
        for _ in range(240):
            try:
                return self.get(path)
            except (OSError, KeyError):
                self.container.reload()
                if self.container.status == "exited":
                    break
                time.sleep(0.5)
        pytest.fail(f"JupyterLab did not start:\n{self.container.logs().decode()[-3000:]}")

    def run(self, *command: str) -> str:
        code, output = self.container.exec_run(list(command))
        assert code == 0, output.decode()
        return str(output.decode())


@pytest.fixture(scope="session")
def docker_client() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


class BuiltImages:
    """The images as the checkout now has them, which `./radlab image build` has built."""

    def __init__(self, client: docker.DockerClient) -> None:
        self._client = client
        images = load_images(ROOT / "images" / "catalog.yaml")
        self._builds = {b.image.id: b for b in plan_builds(images, read_site(load_settings()))}

    def __getitem__(self, id: str) -> Build:
        build = self._builds[id]
        assert has_image(self._client, build.tag), (
            f"{build.tag} is not built: run `./radlab image build`"
        )
        return build


@pytest.fixture(scope="session")
def plan(docker_client: docker.DockerClient) -> BuiltImages:
    return BuiltImages(docker_client)


StartLab = Callable[..., Lab]


@pytest.fixture
def start_lab(docker_client: docker.DockerClient, plan: BuiltImages) -> Iterator[StartLab]:
    """Starts containers as the spawner does, and removes them with their volumes."""
    started: list[Container] = []
    volumes = []

    def start(image: str = "base", home: Path | None = None, **options: Any) -> Lab:
        options.setdefault("mem_limit", "3g")
        options.setdefault("command", ["radlab-start", f"--IdentityProvider.token={TOKEN}"])
        volume = docker_client.volumes.create(f"radlab-test-{uuid.uuid4().hex[:8]}", **_bind(home))
        volumes.append(volume)
        mounts = {volume.name: {"bind": "/home/student", "mode": "rw"}}
        container = docker_client.containers.run(
            plan[image].tag,
            detach=True,
            read_only=True,
            tmpfs={"/tmp": "mode=1777", "/run": ""},
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            pids_limit=plan[image].image.pids,
            volumes={**mounts, **options.pop("volumes", {})},
            **options,
        )
        started.append(container)
        return Lab(container)

    yield start
    for container in started:
        container.remove(force=True)
    for volume in volumes:
        volume.remove()


def _bind(home: Path | None) -> dict[str, Any]:
    if home is None:
        return {}
    return {"driver_opts": {"type": "none", "o": "bind", "device": str(home)}}
