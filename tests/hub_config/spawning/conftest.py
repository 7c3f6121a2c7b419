"""A RadLab on the real engine with an image of a few kilobytes, and a Hub small enough to see."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from hub_config.db import migrate, open_database
from hub_config.network.bridges import ensure_networks, remove_networks
from hub_config.network.walls import report
from hub_config.offers.images import Image, Images, write_images
from hub_config.settings import Settings

MODULE = {
    "id": "05_classification",
    "version": "1.0.0",
    "title": {"en": "Classification: chest film", "zh_CN": "分类：胸片"},
    "summary": {"en": "Train a classifier.", "zh_CN": "训练一个分类器。"},
    "objectives": {"en": ["Train it", "Judge it"], "zh_CN": ["训练", "评判"]},
    "minutes": 45,
    "image": "tiny",
    "gpus": 1,
    "cpu_ok": True,
    "cpus": 0.5,
    "memory_gb": 0.25,
    "datasets": [],
    "languages": ["en", "zh_CN"],
    "order": 5,
}


def image(tag: str | None, id: str = "tiny", **changes: object) -> Image:
    facts = {
        "id": id,
        "folder": "tiny",
        "version": "1.0",
        "title": {"en": "Tiny", "zh_CN": "微型"},
        "description": {"en": "A web server.", "zh_CN": "一个网页服务器。"},
        "offered": True,
        "cpus": 0.5,
        "memory_gb": 0.25,
        "minutes": 120,
        "pids": 100,
        "torch": "cpu",
        "built": tag,
    }
    return Image.model_validate(facts | changes)


def publish(settings: Settings, module: dict[str, object]) -> None:
    folder = settings.path("modules", str(module["id"]), str(module["version"]))
    folder.mkdir(parents=True)
    (folder / "module.json").write_text(json.dumps(module))
    (folder / "lesson.ipynb").write_text("{}")


def tiny_archive() -> bytes:
    """An image's files: busybox as shell and web server, and a home that belongs to 10001."""
    program = shutil.which("busybox")
    if program is None:
        pytest.skip("needs busybox-static, which `./radlab test` installs")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(program, "bin/busybox")
        link = tarfile.TarInfo("bin/sh")
        link.type, link.linkname = tarfile.SYMTYPE, "busybox"
        archive.addfile(link)
        for name, owner in (("home", 0), ("home/student", 10001), ("tmp", 0)):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            folder.uid = folder.gid = owner
            archive.addfile(folder)
        greeting = tarfile.TarInfo("home/student/from-image.txt")
        greeting.size, greeting.uid, greeting.gid = 3, 10001, 10001
        archive.addfile(greeting, io.BytesIO(b"hi\n"))
    return buffer.getvalue()


SERVE = ["/bin/busybox", "httpd", "-f", "-p", "8888", "-h", "/home/student"]
DEAF = ["/bin/sh", "-c", "trap '' TERM; while :; do /bin/busybox sleep 1; done"]


@pytest.fixture(scope="session")
def tiny(docker_client: docker.DockerClient) -> Iterator[str]:
    """The name of the tiny image, whose start command is a web server."""
    name = f"radlab-test-tiny:{uuid.uuid4().hex[:8]}"
    repository, tag = name.split(":")
    changes = [f"CMD {json.dumps(SERVE)}", "ENV NVIDIA_VISIBLE_DEVICES=all"]
    docker_client.api.import_image_from_data(
        tiny_archive(), repository=repository, tag=tag, changes=changes
    )
    yield name
    docker_client.images.remove(name, force=True)


def make_state(folder: Path, tag: str | None, **changes: object) -> Settings:
    """A state folder with database, catalog, one module, and walls that are vouched for."""
    settings = Settings(state=str(folder), **changes)
    settings.make_folders()
    migrate(open_database(settings.radlab_database_url))
    write_images(Images([image(tag)]), settings.path("offers", "images.yaml"))
    publish(settings, MODULE)
    report(settings, problems=[])
    return settings


@pytest.fixture
def radlab(tmp_path: Path, tiny: str, docker_client: docker.DockerClient) -> Iterator[Settings]:
    """A RadLab of this test's own on the real engine; what it leaves there is taken away."""
    settings = make_state(
        tmp_path / "state",
        tiny,
        instance=f"s{uuid.uuid4().hex[:6]}",
        closed_subnet="172.30.244.0/24",
        open_subnet="172.30.245.0/24",
    )
    ensure_networks(docker_client, settings)
    yield settings
    label = {"label": f"radlab.instance={settings.instance}"}
    for container in docker_client.containers.list(all=True, filters=label):
        container.remove(force=True)
    for volume in docker_client.volumes.list(filters=label):
        volume.remove(force=True)
    remove_networks(docker_client, settings)
