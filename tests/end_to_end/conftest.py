"""A whole RadLab of the tests' own, started as a new administrator starts it, and Chromium."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
import yaml
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parent))  # for people.py
ROOT = Path(__file__).parents[2]
STATE = Path("/var/lib/radlab-test")
OUTPUT = ROOT / "test-output" / "screenshots"
SETTINGS = {
    "instance": "radlabtest",
    "listen": "0.0.0.0",
    "port": 28000,
    "hub_port": 28081,
    "portal_port": 28091,
    "proxy_api_port": 28001,
    "closed_subnet": "172.30.240.0/24",
    "open_subnet": "172.30.241.0/24",
    "plain_http_accepted": True,
}
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Platform:
    """A running RadLab and its command line."""

    state: Path
    first_output: str

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{SETTINGS['port']}"

    @property
    def first_link(self) -> str:
        found = re.search(r"https?://\S+/hub/signup#code=\S+", self.first_output)
        assert found, self.first_output
        return re.sub(r"^https?://[^/]+", self.address, found[0])

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return radlab(*arguments)

    def pid(self, name: str) -> int:
        """The process of a service now, whoever supervises it."""
        record = self.state / "run" / f"{name}.json"
        if record.is_file():
            return int(json.loads(record.read_text())["child"]["pid"])
        unit = f"{SETTINGS['instance']}-{name}.service"
        words = ["systemctl", "show", "--value", "-p", "MainPID", unit]
        return int(subprocess.check_output(words, text=True))

    def json(self, *arguments: str) -> Any:
        done = radlab(*arguments, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)


def radlab(*arguments: str) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"RADLAB_STATE": str(STATE), "RADLAB_VENV": sys.prefix}
    return subprocess.run(
        [str(ROOT / "radlab"), *arguments], env=environ, capture_output=True, text=True, timeout=900
    )


def forget_volumes() -> None:
    """Remove the homes' volumes of an earlier run, whose folders are gone."""
    if not Path("/var/run/docker.sock").exists():
        return
    client = docker.from_env()
    for volume in client.volumes.list(filters={"label": f"radlab.instance={SETTINGS['instance']}"}):
        volume.remove(force=True)
    client.close()


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    """`./radlab up` on an empty state folder; taken down and removed after."""
    if os.getuid() != 0:
        pytest.skip("starting a whole RadLab needs root")
    if STATE.exists():
        radlab("down")
        shutil.rmtree(STATE)
    STATE.mkdir(mode=0o755)
    (STATE / "settings.yaml").write_text(yaml.safe_dump(SETTINGS))
    forget_volumes()
    done = radlab("up", "--simulate-gpus", "1x24")
    assert done.returncode == 0, done.stdout + done.stderr
    yield Platform(STATE, done.stdout)
    for log in (STATE / "log").glob("*.log"):
        (OUTPUT.parent / "logs").mkdir(parents=True, exist_ok=True)
        shutil.copy(log, OUTPUT.parent / "logs" / log.name)
    radlab("down")
    forget_volumes()
    shutil.rmtree(STATE, ignore_errors=True)


# Not for the whole session: Playwright's loop would be in the way of asynchronous tests elsewhere.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("Chromium is not installed; `./radlab test` installs it where it can")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@dataclass
class Visitor:
    """One person at one browser."""

    page: Page
    context: BrowserContext

    def shoot(self, name: str, *, full: bool = True) -> None:
        OUTPUT.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=OUTPUT / f"{name}.png", full_page=full)


@pytest.fixture(scope="module")
def visit(chromium: Browser) -> Iterator[Any]:
    """`visit("zh-CN")` is a new person with a browser of that language."""
    contexts = []

    def open_browser(locale: str = "en-GB", width: int = 1280) -> Visitor:
        context = chromium.new_context(locale=locale, viewport={"width": width, "height": 860})
        context.set_default_timeout(30_000)
        contexts.append(context)
        return Visitor(context.new_page(), context)

    yield open_browser
    for context in contexts:
        context.close()
