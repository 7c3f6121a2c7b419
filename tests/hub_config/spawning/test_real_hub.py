"""JupyterHub itself, started from our configuration, shows and refuses as it should."""

from __future__ import annotations

import http.server
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from spawning_support import make_state

import hub_config
from hub_config import clock
from hub_config.db import open_database
from hub_config.groups.store import GroupStore
from hub_config.invites.store import open_store
from hub_config.network.walls import report
from hub_config.settings import Settings

CONFIG = Path(hub_config.__file__).with_name("jupyterhub_config.py")
PASSWORD = "correct horse battery"


class ProxyApi(http.server.BaseHTTPRequestHandler):
    """As much of configurable-http-proxy's API as the Hub asks while nothing runs."""

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


def free_port(address: str) -> int:
    with socket.socket() as free:
        free.bind((address, 0))
        return int(free.getsockname()[1])


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        try:
            httpx.get(url).raise_for_status()
            return
        except httpx.HTTPError:
            assert process.poll() is None, log.read_text()[-3000:]
            time.sleep(0.1)
    raise AssertionError(log.read_text()[-3000:])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A Hub on loopback; its engine's address leads nowhere, and no walls are vouched for."""
    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ProxyApi)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    settings = make_state(
        tmp_path_factory.mktemp("hub") / "state",
        "radlab-test-tiny:1",
        closed_subnet="127.30.0.0/24",
        hub_port=free_port("127.30.0.1"),
        proxy_api_port=proxy.server_port,
        engine="unix:///nowhere/docker.sock",
        admin_contact="help@example.edu",
    )
    report(settings, problems=["the IPv4 chain RADLAB-IN is missing"])
    changed = ("closed_subnet", "hub_port", "proxy_api_port", "engine", "admin_contact")
    settings.save({name: getattr(settings, name) for name in changed})
    for name in ("proxy_token", "cookie_secret", "portal_token"):
        settings.make_secret(name)
    GroupStore(open_database(settings.radlab_database_url)).create("radiology", by="test")
    log = settings.path("log", "hub.log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "jupyterhub", "-f", str(CONFIG)],
            env={
                **os.environ,
                "RADLAB_STATE": settings.state,
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            },
            cwd=settings.state,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    wait_for(f"http://127.30.0.1:{settings.hub_port}/hub/health", process, log)
    yield settings
    process.terminate()
    process.wait(30)
    proxy.shutdown()


def sign_up(site: Settings, name: str, role: str = "student") -> httpx.Client:
    """A browser in which somebody has just come in by a code."""
    issued = open_store(site).create(
        role=role,
        group=None if role == "administrator" else "radiology",
        by="test",
        expires_at=clock.now() + timedelta(days=1),
    )
    browser = httpx.Client(
        base_url=f"http://127.30.0.1:{site.hub_port}",
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
    found = re.search(r'name="_xsrf" value="([^"]+)"', page.text)
    assert found, page.text[:2000]
    return found.group(1)


@pytest.fixture(scope="module")
def mei(site: Settings) -> httpx.Client:
    return sign_up(site, "mei")


CHINESE = {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}


@pytest.mark.parametrize(
    ("address", "status", "english", "chinese"),
    [
        ("/hub/spawn", 200, "Course modules", "课程模块"),
        ("/hub/home", 200, "Nothing is running", "没有正在运行的服务器"),
        ("/hub/token", 200, "Make a token", "创建令牌"),
        ("/hub/nowhere", 404, "There is no such page", "没有这个页面"),
        ("/user/mei/lab", 424, "Your server is not running", "您的服务器没有运行"),
        ("/hub/error/503", 200, "Your server does not answer", "您的服务器没有响应"),
        ("/hub/admin", 403, "That is not open to you", "您无权访问此页面"),
    ],
)
def test_each_page_speaks_both_languages(mei, address, status, english, chinese):
    page = mei.get(address)
    assert page.status_code == status
    assert english in page.text
    assert chinese in mei.get(address, headers=CHINESE).text
    assert "help@example.edu" in page.text


def test_the_launch_page_names_module_image_size_and_minutes(mei):
    text = mei.get("/hub/spawn").text
    for words in ("Classification: chest film", "Tiny", "45 minutes", "No GPU for your group"):
        assert words in text


def test_a_press_of_start_is_refused_on_the_page_in_the_students_language(mei):
    form = {"start": "image/tiny/0", "language": "en", "_xsrf": xsrf(mei.get("/hub/spawn"))}
    page = mei.post("/hub/spawn", data=form, headers=CHINESE)
    for _ in range(100):
        if 'id="spawn-error"' in page.text:
            break
        time.sleep(0.1)  # on a slow machine the pending page comes first, then the reason
        page = mei.get("/hub/spawn-pending/mei", headers=CHINESE)
    assert "未能启动" in page.text
    assert "RADLAB-IN" in page.text


def test_a_link_with_options_starts_nothing(mei, site):
    page = mei.get("/hub/spawn?opt-image=tiny")
    assert page.status_code == 403
    assert "A link cannot start a server." in page.text


def test_a_press_without_the_token_of_the_page_starts_nothing(mei):
    refused = mei.post(
        "/hub/spawn", data={"start": "image/tiny/0"}, headers={"Sec-Fetch-Mode": "no-cors"}
    )
    assert refused.status_code == 403


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        ({"image": "tny"}, 404, "Did you mean 'tiny'?"),
        ({"module": "05_clasification"}, 404, "Did you mean '05_classification'?"),
        ({"image": "tiny", "mounts": ["/"]}, 422, "no option 'mounts'"),
        ({"image": "tiny", "gpus": 1}, 503, "No container can be started"),
    ],
)
def test_the_rest_api_asks_the_same_rules(mei, options, status, words):
    token = xsrf(mei.get("/hub/spawn"))
    answer = mei.post("/hub/api/users/mei/server", json=options, headers={"X-XSRFToken": token})
    assert answer.status_code == status, answer.text
    assert words in answer.json()["message"]


def test_a_token_made_on_the_page_may_do_what_its_owner_may_and_no_more(mei):
    token = xsrf(mei.get("/hub/spawn"))
    made = mei.post(
        "/hub/api/users/mei/tokens",
        json={"note": "script", "expires_in": 3600},
        headers={"X-XSRFToken": token},
    )
    script = httpx.Client(
        base_url=mei.base_url, headers={"Authorization": f"token {made.json()['token']}"}
    )
    assert script.get("/hub/api/user").json()["name"] == "mei"
    assert script.get("/hub/api/users").status_code == 403
    assert "script" in mei.get("/hub/token").text


def test_an_administrator_holds_custom_scopes_and_not_the_hub(site):
    ada = sign_up(site, "ada", "administrator")
    scopes = ada.get("/hub/api/user", headers={"Referer": f"{ada.base_url}/hub/"}).json()["scopes"]
    assert "custom:gpus:write" in scopes
    assert not [scope for scope in scopes if scope.startswith("admin")]
    assert ada.get("/hub/admin").status_code == 403


def test_signing_in_leads_staff_to_the_portal_and_students_to_the_launch_page(site):
    for name, role, leads_to in (
        ("eva", "administrator", "/services/radlab/"),
        ("leo", "student", "/hub/spawn"),
    ):
        sign_up(site, name, role).close()
        browser = httpx.Client(
            base_url=f"http://127.30.0.1:{site.hub_port}", headers={"Sec-Fetch-Mode": "navigate"}
        )
        form = {"username": name, "password": PASSWORD, "_xsrf": xsrf(browser.get("/hub/login"))}
        answer = browser.post("/hub/login", data=form)
        assert answer.headers["Location"] == leads_to


def test_pages_may_not_be_framed_nor_their_type_guessed(mei):
    headers = mei.get("/hub/home").headers
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_no_secret_of_a_page_or_a_person_is_in_the_log(mei, site):
    log = site.path("log", "hub.log").read_text()
    assert PASSWORD not in log
    assert site.secret("proxy_token") not in log
    assert xsrf(mei.get("/hub/spawn")) not in log
