"""JupyterHub itself, started from our configuration; killed and started again where a test asks."""

from __future__ import annotations

import http.server
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from fake_keeper import free_port
from spawning_support import make_state

import hub_config
from hub_config import clock
from hub_config.invites.store import open_store
from hub_config.settings import Settings

CONFIG = Path(hub_config.__file__).with_name("jupyterhub_config.py")
PASSWORD = "correct horse battery"


class ProxyApi(http.server.BaseHTTPRequestHandler):
    """As much of configurable-http-proxy's API as the Hub asks; its routes lead nowhere."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b"{}")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.end_headers()

    def do_DELETE(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


class RealHub:
    """A Hub on an address of loopback; its engine's address leads nowhere."""

    def __init__(self, folder: Path, network: str, **changes: object) -> None:
        """`network`: the first three numbers of a loopback network of the test's own."""
        self._proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ProxyApi)
        threading.Thread(target=self._proxy.serve_forever, daemon=True).start()
        facts = {
            "closed_subnet": f"{network}.0/24",
            "hub_port": free_port(f"{network}.1"),
            "proxy_api_port": self._proxy.server_port,
            "engine": "unix:///nowhere/docker.sock",
            "admin_contact": "help@example.edu",
            **changes,
        }
        self.settings: Settings = make_state(folder, "radlab-test-tiny:1", **facts)
        self.settings.save(facts)
        for name in ("proxy_token", "cookie_secret", "portal_token"):
            self.settings.make_secret(name)
        self.address = f"http://{network}.1:{facts['hub_port']}"
        self.log = self.settings.path("log", "hub.log")

    def start(self) -> None:
        """Start it, and return when it answers."""
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "jupyterhub", "-f", str(CONFIG)],
                env={
                    **os.environ,
                    "RADLAB_STATE": self.settings.state,
                    "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                },
                cwd=self.settings.state,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        for _ in range(600):
            try:
                httpx.get(f"{self.address}/hub/health").raise_for_status()
                return
            except httpx.HTTPError:
                assert self._process.poll() is None, self.log.read_text()[-3000:]
                time.sleep(0.1)
        raise AssertionError(self.log.read_text()[-3000:])

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()
        self._process.wait(30)

    def stop(self) -> None:
        """End it and what it speaks to."""
        self._process.terminate()
        self._process.wait(30)
        self._proxy.shutdown()
        self._proxy.server_close()

    def post_again(self, name: str, options: Mapping[str, Any]) -> None:
        """Post a start as the portal does for those whose start the Hub lost."""
        token = self.settings.secret("portal_token")
        httpx.post(
            f"{self.address}/hub/api/users/{name}/server",
            json={"user_options": dict(options)},
            headers={"Authorization": f"token {token}"},
            timeout=60,
        ).raise_for_status()

    def sign_up(self, name: str, role: str = "student") -> httpx.Client:
        """A browser in which somebody has just come in by a code."""
        issued = open_store(self.settings).create(
            role=role,
            group=None if role == "administrator" else "radiology",
            by="test",
            expires_at=clock.now() + timedelta(days=1),
        )
        browser = httpx.Client(
            base_url=self.address,
            headers={"Accept-Language": "en", "Sec-Fetch-Mode": "navigate"},
            follow_redirects=True,
            timeout=60,
        )
        form = {
            "code": issued.code,
            "username": name,
            "password": PASSWORD,
            "password_again": PASSWORD,
            "notice": "accepted",
            "_xsrf": xsrf(browser.get("/hub/signup")),
        }
        browser.post("/hub/signup", data=form, follow_redirects=False)
        return browser


def xsrf(page: httpx.Response) -> str:
    """The token that a page's form or script sends back."""
    found = re.search(r'(?:name="_xsrf" value|data-xsrf)="([^"]+)"', page.text)
    assert found, page.text[:2000]
    return found.group(1)
