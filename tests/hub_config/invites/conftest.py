"""A store of invites with a clock that tests can move; a real Hub, and browsers before it."""

from __future__ import annotations

import itertools
import os
import re
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from hub_config import clock
from hub_config.db import migrate, open_database
from hub_config.groups.store import GroupStore
from hub_config.invites.store import InviteStore, open_store
from hub_config.settings import Settings

KEY = bytes(range(32))
PASSWORD = "correct horse battery"


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def __add__(self, span: timedelta) -> datetime:
        return self.now + span


@pytest.fixture(name="clock")
def still_clock() -> Clock:
    return Clock()


@pytest.fixture
def store(engine: Engine, clock: Clock) -> InviteStore:
    GroupStore(engine).create("ct", title="Thorax CT", by="ada")
    return InviteStore(engine, KEY, now=clock)


class Hub:
    """A real Hub in a process of its own, with the store of its invites."""

    def __init__(self, settings: Settings) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.settings = settings
        self.url = f"http://127.0.0.1:{port}"
        self.token = secrets.token_hex(16)
        self.log = settings.path("log", "hub.log")
        engine = open_database(settings.radlab_database_url)
        migrate(engine)
        GroupStore(engine).create("ct", by="ada")
        GroupStore(engine).create("mr", by="ada")
        self.store = open_store(settings, engine)
        self._places = itertools.count(1)
        self._environment = {"TEST_HUB_PORT": str(port), "TEST_HUB_TOKEN": self.token}

    def start(self) -> None:
        environment = os.environ | self._environment | {"RADLAB_STATE": self.settings.state}
        environment["PYTHONPATH"] = os.pathsep.join(sys.path)
        command = [sys.executable, "-P", "-m", "jupyterhub", "-f"]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*command, str(Path(__file__).with_name("hub_configuration.py"))],
                cwd=self.settings.state, env=environment, stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + 120
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(self.log.read_text())
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/hub/health").is_success
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)

    def browser(self, address: str = "", source: str = "127.0.0.1") -> Browser:
        """Somebody at an address of their own, or at `address`, as our proxy reports it.

        `source`: where the connection itself comes from; 127.0.0.1 is the proxy.
        """
        return Browser(self, address or f"192.0.2.{next(self._places)}", source)

    def code(self, **terms: Any) -> str:
        """A code for one student of `ct`, unless other terms are given."""
        ends = clock.now() + timedelta(days=1)
        defaults = {"role": "student", "group": "ct", "by": "ada", "expires_at": ends}
        return self.store.create(**{**defaults, **terms}).code

    def api(self, verb: str, path: str, body: Any = None) -> Any:
        """JupyterHub's own REST API, with every right over users and groups."""
        answer = httpx.request(
            verb,
            f"{self.url}/hub/api/{path}",
            json=body,
            headers={"Authorization": f"token {self.token}"},
        )
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def groups_of(self, name: str) -> set[str]:
        return set(self.api("GET", f"users/{name}")["groups"])


class Browser(httpx.Client):
    """A browser without a screen: keeps cookies, fills in forms as they were shown."""

    def __init__(self, hub: Hub, address: str, source: str) -> None:
        super().__init__(
            base_url=hub.url,
            transport=httpx.HTTPTransport(local_address=source),
            headers={"X-Forwarded-For": address, "Sec-Fetch-Mode": "navigate"},
        )

    def submit(self, page: str, **fields: str) -> httpx.Response:
        """Open the form on `page`, fill in `fields`, send it."""
        shown = self.get(page)
        token = re.search(r'name="_xsrf" value="([^"]+)"', shown.text)
        assert token, f"no form on {page}: {shown.status_code}"
        return self.post(page, data={"_xsrf": token[1], **fields})

    def sign_up(
        self, code: str, name: str, password: str = PASSWORD, page: str = "/hub/signup", **more: str
    ) -> httpx.Response:
        fields = {
            "code": code,
            "username": name,
            "password": password,
            "password_again": password,
            "notice": "accepted",
        }
        return self.submit(page, **{**fields, **more})

    def sign_in(
        self, name: str, password: str = PASSWORD, page: str = "/hub/login"
    ) -> httpx.Response:
        return self.submit(page, username=name, password=password)

    @property
    def is_signed_in(self) -> bool:
        return self.get("/hub/home").status_code == 200


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    settings = Settings(state=str(tmp_path_factory.mktemp("hub")))
    settings.make_folders()
    running = Hub(settings)
    running.start()
    yield running
    running.stop()
