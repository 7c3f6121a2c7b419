"""JupyterLab in a student's container, with a notebook of cells that a browser runs one by one."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import docker

TOKEN = "only-for-this-measurement"
PAGE = "measured.ipynb"


def notebook(cells: Sequence[str]) -> str:
    """A notebook of these cells, as its file has it."""
    made = [
        {"cell_type": "code", "id": f"c{number}", "metadata": {}, "source": source,
         "outputs": [], "execution_count": None}
        for number, source in enumerate(cells)
    ]  # fmt: skip
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    return json.dumps({"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})


@contextmanager
def lab(image: str, cells: Sequence[str], volumes: Mapping[str, str]) -> Iterator[str]:
    """The address of the notebook in JupyterLab; `volumes` are mounted read-only."""
    client = docker.from_env()
    page = client.volumes.create(f"radlab-bench-{uuid.uuid4().hex[:8]}")
    mounts = {host: {"bind": inside, "mode": "ro"} for host, inside in volumes.items()}
    container = client.containers.run(
        image,
        [
            "radlab-start",
            f"--IdentityProvider.token={TOKEN}",
            "--LabApp.expose_app_in_browser=True",
        ],
        detach=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        volumes={page.name: {"bind": "/home/student", "mode": "rw"}, **mounts},
    )
    try:
        container.reload()
        address = container.attrs["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
        _put(f"http://{address}:8888", notebook(cells))
        yield f"http://{address}:8888/lab/tree/{PAGE}?token={TOKEN}"
    finally:
        container.remove(force=True)
        page.remove(force=True)
        client.close()


def _put(address: str, content: str) -> None:
    body = {"type": "notebook", "format": "json", "content": json.loads(content)}
    request = urllib.request.Request(
        f"{address}/api/contents/{PAGE}",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"token {TOKEN}", "Content-Type": "application/json"},
        method="PUT",
    )
    for _ in range(120):
        try:
            with urllib.request.urlopen(request, timeout=30):
                return
        except (OSError, urllib.error.URLError):
            time.sleep(0.5)
    raise TimeoutError(f"JupyterLab at {address} did not answer within a minute")
