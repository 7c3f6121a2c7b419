"""What the tests of spawning stand on: a module, an image of a few kilobytes, a state folder."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hub_config import clock
from hub_config.db import migrate, open_database
from hub_config.gpus.model import Free
from hub_config.network.walls import report
from hub_config.offers.host import Host
from hub_config.offers.images import Image, Images, write_images
from hub_config.offers.sizes import SHIPPED, Sizes, load_sizes
from hub_config.settings import Settings
from hub_config.spawning.fitting import Reach
from hub_config.spawning.launch import Line, Wait
from hub_config.usage.model import Bounds

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


LATER = clock.from_iso("2026-03-01T09:40:00Z")
_LARGE = Host(cpus=8, memory_mb=65536)


def sizes() -> Sizes:
    """The sizes that are shipped."""
    return load_sizes(SHIPPED)


def reach(
    found: Free | Callable[[int, int], Free],
    groups: tuple[str, ...] | None = ("g",),
    host: Host = _LARGE,
    bounds: Bounds | None = None,
    hours_used: bool = False,
) -> Reach:
    """What somebody can have where each question for GPUs is answered with `found`."""
    supply = found if callable(found) else lambda gpus, memory_mb: found
    return Reach(host=host, groups=groups, supply=supply, bounds=bounds, hours_used=hours_used)


def in_line(position: int = 1) -> Line:
    """A line in which whoever enters now is told this position and LATER."""
    return lambda numbers: Wait(position=position, expected_at=LATER)


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
        for name, owner, mode in (
            ("home", 0, 0o755), ("home/student", 10001, 0o700), ("tmp", 0, 0o1777),
        ):  # fmt: skip
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, mode
            folder.uid = folder.gid = owner
            archive.addfile(folder)
        greeting = tarfile.TarInfo("home/student/from-image.txt")
        greeting.size, greeting.uid, greeting.gid = 3, 10001, 10001
        archive.addfile(greeting, io.BytesIO(b"hi\n"))
    return buffer.getvalue()


# The shell ends at once when told to; httpd alone, as the first process, would ignore it.
_HTTPD = "/bin/busybox httpd -f -p 8888 -h /home/student"
SERVE = ["/bin/sh", "-c", f"trap 'exit 0' TERM; {_HTTPD} & wait"]
DEAF_SERVER = ["/bin/sh", "-c", f"trap '' TERM; {_HTTPD}"]
DEAF = ["/bin/sh", "-c", "trap '' TERM; while :; do /bin/busybox sleep 1; done"]


def tiny_changes() -> list[str]:
    """The image's configuration; like NVIDIA's own images it asks for every GPU."""
    return [f"CMD {json.dumps(SERVE)}", "ENV NVIDIA_VISIBLE_DEVICES=all"]


def make_state(folder: Path, tag: str | None, **changes: object) -> Settings:
    """A state folder with database, catalog, one module, and walls that are vouched for."""
    settings = Settings(state=str(folder), **changes)
    settings.make_folders()
    migrate(open_database(settings.radlab_database_url))
    write_images(Images([image(tag)]), settings.path("offers", "images.yaml"))
    publish(settings, MODULE)
    report(settings, problems=[])
    return settings
