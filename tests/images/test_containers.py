"""The built images, run as a student's container is: hardened, with nothing writable but /tmp."""

from __future__ import annotations

import ipaddress
import json
import os
import subprocess
import threading
import urllib.error
import uuid
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import ContainerError

pytestmark = [pytest.mark.engine, pytest.mark.images]

NOTEBOOK = {
    "cells": [
        {"cell_type": "code", "id": "a", "metadata": {}, "source": ["1"], "outputs": [],
         "execution_count": None}
    ],
    "metadata": {}, "nbformat": 4, "nbformat_minor": 5,
}  # fmt: skip


@pytest.fixture
def modules(tmp_path: Path) -> dict[str, dict[str, str]]:
    folder = tmp_path / "modules"
    lesson = folder / "05_classification" / "1.0.0"
    lesson.mkdir(parents=True)
    for name in ("lesson.ipynb", "lesson.zh.ipynb"):
        (lesson / name).write_text(json.dumps(NOTEBOOK))
    return {str(folder): {"bind": "/modules", "mode": "ro"}}


@pytest.fixture
def full_home() -> Iterator[Path]:
    """A home of one megabyte on a file system of its own, filled to the last byte."""
    folder = Path(f"/tmp/radlab-home-{uuid.uuid4().hex[:8]}")
    folder.mkdir()
    options = "size=1m,uid=10001,gid=10001,mode=0700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    filler = os.open(folder / "results.bin", os.O_WRONLY | os.O_CREAT)
    try:
        while True:
            os.write(filler, b"\1" * 4096)
    except OSError:
        os.close(filler)
    os.chown(folder / "results.bin", 10001, 10001)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()


@pytest.mark.parametrize(("image", "script"), [
    ("base", ["/opt/build/smoke.py"]),
    ("imaging", ["/opt/build/imaging/smoke.py", "TORCH"]),
])  # fmt: skip
def test_the_smoke_test_passes_in_a_hardened_container(
    docker_client: docker.DockerClient, plan: Mapping[str, Any], image: str, script: list[str]
) -> None:
    words = [str(plan[image].image.torch) if word == "TORCH" else word for word in script]
    output = docker_client.containers.run(
        plan[image].tag, ["python", "-I", *words], remove=True, read_only=True,
        tmpfs={"/tmp": "mode=1777"}, cap_drop=["ALL"], security_opt=["no-new-privileges"],
        pids_limit=plan[image].image.pids, network_mode="none",
        environment={"MPLCONFIGDIR": "/tmp/matplotlib"},
    ).decode()  # fmt: skip
    assert "smoke: " in output and ": NO" not in output


def test_a_session_starts_with_its_module_and_says_what_it_is(start_lab, modules) -> None:
    lab = start_lab(
        volumes=modules,
        environment={
            "RADLAB_LEASE": "l-test",
            "RADLAB_MODULE": "05_classification",
            "RADLAB_MODULE_VERSION": "1.0.0",
            "RADLAB_LANGUAGE": "zh_CN",
            "RADLAB_SESSION_ENDS": "2099-01-01T00:00:00Z",
        },
    )
    told = lab.wait()
    assert (told["lease"], told["ends_at"]) == ("l-test", "2099-01-01T00:00:00Z")
    assert (told["notices"], told["home_full"]) == ([], False)
    assert lab.run("stat", "-c", "%U %a", "/home/student").split() == ["student", "700"]
    assert lab.run("stat", "-c", "%U", "/home/student/05_classification/lesson.ipynb").strip() == (
        "student"
    )
    listing = json.loads(lab.get("/api/contents/05_classification"))
    assert {file["name"] for file in listing["content"]} == {"lesson.ipynb", "lesson.zh.ipynb"}
    assert lab.landing().startswith("/lab/tree/05_classification/lesson.zh.ipynb")


class FakeHub(BaseHTTPRequestHandler):
    """As much of the Hub as a single-user server asks for when it starts."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path.rstrip("/") == "/hub/api" else 403)
        self.send_header("X-JupyterHub-Version", "6.1.1")
        self.end_headers()
        self.wfile.write(b'{"version": "6.1.1"}')

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def fake_hub(docker_client: docker.DockerClient) -> Iterator[str]:
    subnet = docker_client.networks.get("bridge").attrs["IPAM"]["Config"][0]["Subnet"]
    bridge = str(next(ipaddress.ip_network(subnet).hosts()))
    server = ThreadingHTTPServer((bridge, 0), FakeHub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://{bridge}:{server.server_address[1]}/hub/api"
    server.shutdown()
    server.server_close()


def test_under_a_hub_it_becomes_the_single_user_server(start_lab, modules, fake_hub: str) -> None:
    lab = start_lab(
        command=["radlab-start"],
        volumes=modules,
        environment={
            "JUPYTERHUB_SERVICE_URL": "http://0.0.0.0:8888/user/ada/",
            "JUPYTERHUB_SERVICE_PREFIX": "/user/ada/",
            "JUPYTERHUB_API_URL": fake_hub,
            "JUPYTERHUB_ACTIVITY_URL": f"{fake_hub}/users/ada/activity",
            "JUPYTERHUB_API_TOKEN": "not-a-secret",
            "JUPYTERHUB_CLIENT_ID": "jupyterhub-user-ada",
            "JUPYTERHUB_USER": "ada",
            "JUPYTERHUB_DEFAULT_URL": "/lab",
            "RADLAB_MODULE": "05_classification",
            "RADLAB_MODULE_VERSION": "1.0.0",
        },
    )
    waited = lab.wait_for("/user/ada/api")
    assert json.loads(waited)["version"]
    log = lab.container.logs().decode()
    assert "single-user server extension version 6.1.1" in log
    assert "/lab/tree/05_classification/lesson.ipynb" in log
    with pytest.raises(urllib.error.HTTPError) as refused:
        lab.get("/user/ada/radlab/session")
    assert refused.value.code == 403


def test_jupyterlab_speaks_chinese_and_has_our_extension(start_lab) -> None:
    lab = start_lab(environment={"RADLAB_LANGUAGE": "zh_CN"})
    lab.wait()
    script = lab.get("/lab/extensions/@radlab/session/static/remoteEntry.js")
    assert "本次会话将于 {time} 结束。您的文件会保留。" in script
    page = lab.get("/lab")
    config = json.loads(page.split('id="jupyter-config-data"')[1].split(">", 1)[1].split("</")[0])
    assert "@radlab/session" in [found["name"] for found in config["federated_extensions"]]
    assert config["news"]["disabled"] is True
    assert "@jupyterlab/apputils-extension:announcements" in config["disabledExtensions"]
    settings = json.loads(lab.get("/lab/api/settings/@jupyterlab/translation-extension:plugin"))
    assert settings["schema"]["properties"]["locale"]["default"] == "zh_CN"
    pack = json.loads(lab.get("/lab/api/translations/zh_CN"))
    assert ["文件"] in pack["data"]["jupyterlab"].values()


def test_a_session_starts_in_english_without_a_module(start_lab) -> None:
    lab = start_lab()
    assert lab.wait()["module"] is None
    settings = json.loads(lab.get("/lab/api/settings/@jupyterlab/translation-extension:plugin"))
    assert settings["schema"]["properties"]["locale"]["default"] == "en"


def test_a_full_home_still_starts_and_opens_the_module_read_only(
    start_lab, modules, full_home: Path
) -> None:
    lab = start_lab(
        home=full_home,
        volumes=modules,
        environment={"RADLAB_MODULE": "05_classification", "RADLAB_MODULE_VERSION": "1.0.0"},
    )
    told = lab.wait()
    assert told["notices"] == ["home_full", "module_read_only"]
    assert told["home_full"] is True
    assert [path.name for path in full_home.iterdir()] == ["results.bin"]
    found = json.loads(lab.get("/api/contents/modules/05_classification/1.0.0/lesson.ipynb"))
    assert (found["type"], found["writable"]) == ("notebook", False)
    assert "results.bin" in lab.get("/api/contents/home/student?content=1")
    kernel = json.loads(lab.post("/api/kernels", {"name": "python3"}))["id"]
    assert lab.run("python", "-c", ASK, f"/tmp/radlab/runtime/kernel-{kernel}.json") == "2\n"


ASK = """
import sys
from jupyter_client import BlockingKernelClient
client = BlockingKernelClient(connection_file=sys.argv[1])
client.load_connection_file()
client.start_channels()
client.wait_for_ready(timeout=120)
client.execute_interactive("print(1 + 1)", timeout=120)
"""


def test_a_terminal_opens(start_lab) -> None:
    lab = start_lab()
    lab.wait()
    name = json.loads(lab.post("/api/terminals", {}))["name"]
    assert [found["name"] for found in json.loads(lab.get("/api/terminals"))] == [name]
    assert "bash" in lab.run("sh", "-c", "cat /proc/[0-9]*/comm")


def test_broken_settings_of_a_student_do_not_stop_the_start(start_lab, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "json").mkdir(parents=True)
    (home / "json.py").write_text("raise SystemExit('a module of the student')\n")
    (home / "json" / "__init__.py").write_text("raise SystemExit('another')\n")
    for path in (home, *home.rglob("*")):
        os.chown(path, 10001, 10001)
    assert start_lab(home=home).wait()["home_full"] is False


def test_nothing_but_scratch_and_home_can_be_written(start_lab) -> None:
    lab = start_lab()
    lab.wait()
    written = lab.run(
        "sh", "-c", "for d in / /opt/venv /usr/local /etc /modules /datasets /var/tmp; do "
        "touch $d/x 2>/dev/null && echo $d; done; touch /tmp/x ~/x && echo writable",
    )  # fmt: skip
    assert written.split() == ["writable"]


def test_the_student_is_nobody_special(
    docker_client: docker.DockerClient, plan: Mapping[str, Any]
) -> None:
    tag = plan["imaging"].tag
    find = ["find", "/", "-xdev", "-type", "f", "-perm", "/6000"]
    assert docker_client.containers.run(tag, find, user="root", remove=True) == b""
    assert docker_client.containers.run(tag, ["id", "-u"], remove=True).strip() == b"10001"
    with pytest.raises(ContainerError):
        docker_client.containers.run(tag, ["su", "root", "-c", "id"], remove=True)
    configured = docker_client.images.get(tag).attrs["Config"]
    assert configured["User"] == "student"
    assert configured["Entrypoint"][0] == "/usr/bin/tini"
    assert not any(entry.startswith("LD_") for entry in configured["Env"])


def test_a_new_home_volume_gets_its_owner_from_the_image(start_lab, tmp_path: Path) -> None:
    home = tmp_path / "fresh"
    home.mkdir(mode=0o755)
    start_lab(home=home).wait()
    assert (home.stat().st_uid, home.stat().st_gid) == (10001, 10001)
    assert home.stat().st_mode & 0o777 == 0o700


def test_the_image_trusts_what_the_machine_trusts(
    docker_client: docker.DockerClient, plan: Mapping[str, Any], tmp_path: Path
) -> None:
    script = "import ssl; print(ssl.create_default_context().cert_store_stats()['x509_ca'])"
    count = int(
        docker_client.containers.run(plan["base"].tag, ["python", "-c", script], remove=True)
    )
    assert count >= 100
    configured = docker_client.images.get(plan["base"].tag).attrs["Config"]["Env"]
    bundle = "/etc/ssl/certs/ca-certificates.crt"
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT"):
        assert f"{name}={bundle}" in configured
