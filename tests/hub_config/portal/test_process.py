"""`python -m hub_config.portal` as a process: on loopback, healthy, and silent about secrets."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import hub_config
from hub_config.db import migrate, open_database
from hub_config.portal import PREFIX, TOKEN_SECRET
from hub_config.settings import Settings


class Process:
    """The portal's process on a state folder of its own."""

    def __init__(self, settings: Settings) -> None:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}{PREFIX}"
        self.log = settings.path("log", "portal.log")
        environ = {
            **os.environ,
            "PYTHONPATH": str(Path(hub_config.__file__).parents[1]),
            "RADLAB_STATE": settings.state,
            "RADLAB_PORTAL_PORT": str(self.port),
        }
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hub_config.portal"], env=environ, stdout=log, stderr=log
            )

    def wait(self) -> None:
        for _ in range(300):
            assert self.process.poll() is None, self.log.read_text()
            try:
                httpx.get(f"{self.address}/assets/logo.svg", trust_env=False)
                return
            except httpx.HTTPError:
                time.sleep(0.1)
        raise AssertionError(self.log.read_text())


@pytest.fixture
def process(settings: Settings) -> Iterator[Process]:
    settings.make_secret(TOKEN_SECRET)
    running = Process(settings)
    running.wait()
    yield running
    running.process.terminate()
    assert running.process.wait(20) in (0, -15)


def test_it_says_what_it_lacks_serves_on_loopback_and_logs_no_secret(
    process: Process, settings: Settings
) -> None:
    before = httpx.get(f"{process.address}/health", trust_env=False)
    assert (before.status_code, before.json()["error"]["code"]) == (503, "database_unready")
    engine = open_database(settings.radlab_database_url)
    migrate(engine)
    engine.dispose()
    after = httpx.get(f"{process.address}/health", trust_env=False)
    assert after.json() == {"status": "ok", "database": "ok", "hub": "unreachable"}

    table = Path("/proc/net/tcp").read_text().splitlines()[1:]
    listening = [line.split()[1] for line in table if line.split()[3] == "0A"]
    mine = [address for address in listening if int(address.split(":")[1], 16) == process.port]
    assert mine == [f"0100007F:{process.port:04X}"]

    httpx.get(f"{process.address}/oauth_callback?code=one-time-code&state=x", trust_env=False)
    headers = {"Authorization": "token secret-token"}
    httpx.post(f"{process.address}/api/groups?x=secret-query", headers=headers, trust_env=False)
    log = process.log.read_text()
    assert f"POST {PREFIX}/api/groups: 503" in log
    for secret in ("one-time-code", "secret-token", "secret-query", settings.secret(TOKEN_SECRET)):
        assert secret not in log
