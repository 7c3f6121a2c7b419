"""The image of the stand-in server: the base image, whose `radlab-start` is `light_server.py`."""

from __future__ import annotations

import io
import tarfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker

from hub_config.offers.images import Images, load_images, write_images
from hub_config.settings import Settings

SERVER = Path(__file__).with_name("light_server.py")
DOCKERFILE = """
FROM {base}
COPY radlab-start /opt/radlab/lib/bin/radlab-start
"""


@contextmanager
def stand_in(settings: Settings) -> Iterator[None]:
    """While this lasts, `base` of these settings starts the stand-in."""
    catalog = settings.path("offers", "images.yaml")
    images = load_images(catalog)
    client = docker.DockerClient(settings.engine)
    tag = f"radlab-bench:{uuid.uuid4().hex[:8]}"
    client.images.build(
        fileobj=_context(images.image("base").tag), custom_context=True, tag=tag, rm=True
    )
    write_images(
        Images(
            [
                image.model_copy(update={"built": tag}) if image.id == "base" else image
                for image in images
            ]
        ),
        catalog,
    )
    try:
        yield
    finally:
        client.images.remove(tag, force=True)
        client.close()


def _context(base: str) -> io.BytesIO:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        _add(tar, "Dockerfile", DOCKERFILE.format(base=base).encode(), 0o644)
        _add(tar, "radlab-start", SERVER.read_bytes(), 0o755)
    archive.seek(0)
    return archive


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))
