"""A running server asks the real Hub for its session, says how it is, and asks for more time."""

from __future__ import annotations

import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from hub_config import clock
from hub_config.db import migrate, open_database, writing
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.model import Ended
from hub_config.gpus.tables import LeaseTable
from hub_config.language import translator
from hub_config.queueing.model import NoExtension
from hub_config.settings import Settings
from hub_config.spawning import sessions
from hub_config.teaching.store import ProgressStore
from hub_config.usage.model import HomeUse, Kind, Limits, Sample
from hub_config.usage.store import QuotaStore, UsageStore

CONFIG = Path(__file__).with_name("session_hub.py")
SERVICE = "only-for-this-test"


class Anything(http.server.BaseHTTPRequestHandler):
    """The proxy's API and every server: each question is answered, with nothing."""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b"{}")

    do_POST = do_DELETE = do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        return


@dataclass(frozen=True)
class Site:
    """A Hub that runs, and its stores."""

    url: str
    folder: Path
    ledger: Ledger
    usage: UsageStore
    quotas: QuotaStore

    def ask(
        self, token: str | None, path: str = "", body: object = None, **headers: str
    ) -> httpx.Response:
        if token:
            headers["Authorization"] = f"token {token}"
        url = f"{self.url}/hub/api/radlab/session{path}"
        if body is None and not path:
            return httpx.get(url, headers=headers)
        return httpx.post(url, headers=headers, json=body or {})


@dataclass(frozen=True)
class Running:
    """Somebody's server: its own token, and its lease."""

    token: str
    lease: str


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("session")
    settings = Settings(state=str(folder / "state"))
    settings.make_folders()
    database = open_database(settings.radlab_database_url)
    migrate(database)
    answers = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Anything)
    threading.Thread(target=answers.serve_forever, daemon=True).start()
    port = free_port()
    facts = {
        "folder": str(folder),
        "port": port,
        "public": free_port(),
        "answers": answers.server_port,
        "service": SERVICE,
    }
    log = folder / "hub.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "jupyterhub", "-f", str(CONFIG)],
            env={
                **os.environ,
                "RADLAB_STATE": settings.state,
                "SESSION_HUB": json.dumps(facts),
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            },
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}"
    for _ in range(600):
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            httpx.get(f"{url}/hub/health").raise_for_status()
            break
        except httpx.HTTPError:
            time.sleep(0.1)
    yield Site(url, folder, Ledger(database), UsageStore(database), QuotaStore(database))
    process.terminate()
    process.wait(30)
    answers.shutdown()


def server_of(site: Site, name: str) -> Running:
    """That user's server, started through the Hub."""
    api = httpx.Client(
        base_url=f"{site.url}/hub/api", headers={"Authorization": f"token {SERVICE}"}, timeout=60
    )
    api.post(f"/users/{name}")
    assert api.post(f"/users/{name}/server").status_code in (201, 202)
    told = site.folder / f"{name}.json"
    for _ in range(300):
        ready = api.get(f"/users/{name}").json()["servers"].get("", {}).get("ready")
        if ready:
            break
        time.sleep(0.1)
    facts = json.loads(told.read_text())
    return Running(facts["token"], facts["lease"])


def own_token(site: Site, name: str) -> str:
    """A token of that person's, with all that they may do."""
    answer = httpx.post(
        f"{site.url}/hub/api/users/{name}/tokens",
        headers={"Authorization": f"token {SERVICE}"},
        json={},
    )
    return str(answer.json()["token"])


@pytest.fixture(scope="module")
def ann(site: Site) -> Running:
    return server_of(site, "ann")


@pytest.fixture(scope="module")
def bob(site: Site) -> Running:
    return server_of(site, "bob")


def test_a_server_is_told_its_own_session(site: Site, ann: Running, bob: Running) -> None:
    lease = site.ledger.get(ann.lease)
    told = site.ask(ann.token).json()
    assert told["lease"] == ann.lease != bob.lease
    assert site.ask(bob.token).json()["lease"] == bob.lease
    assert told["ends_at"] == told["limit_at"] == clock.to_iso(lease.ends_at)
    assert (told["stop_why"], told["extend"], told["oom"], told["disk"]) == (None,) * 4
    assert (told["warn_minutes"], told["memory_mb"]) == (10, 2048)


def test_nobody_but_the_server_itself_is_answered(site: Site, ann: Running) -> None:
    for token in (None, "wrong", SERVICE, own_token(site, "ann")):
        for path, body in (("", None), ("", {"keep": True}), ("/extend", {})):
            answer = site.ask(token, path, body)
            assert answer.status_code == 403, (token, path)
            assert "error" in answer.json() or "message" in answer.json()


def test_a_refusal_is_said_in_the_language_of_the_request(site: Site, ann: Running) -> None:
    answer = site.ask(own_token(site, "ann"), **{"Accept-Language": "zh-CN"})
    assert answer.json()["error"]["code"] == "session_token_only"
    assert "令牌" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "beat",
    [{"kernels": -1}, {"kernels": "many"}, {"who": "me"}, {"active_seconds": -5}, [1]],
)
def test_a_beat_that_cannot_be_right_is_refused(site: Site, ann: Running, beat: object) -> None:
    assert site.ask(ann.token, body=beat).status_code == 422


@pytest.mark.parametrize(
    ("beat", "used"),
    [
        ({"kernels": 2, "kernels_busy": 1}, True),
        ({"kernels": 2, "active_seconds": 20.0}, True),
        ({"keep": True}, True),
        ({"kernels": 1, "terminals": 1, "active_seconds": 900.0}, False),
        ({}, False),
    ],
)
def test_only_work_is_real_use(
    site: Site, bob: Running, beat: dict[str, object], used: bool
) -> None:
    site.ledger.stop_early(bob.lease, clock.now() + timedelta(minutes=9), Ended.IDLE)
    told = said(site, bob, beat)
    assert told["stop_why"] == (None if used else "idle")
    site.ledger.let_run(bob.lease, Ended.IDLE)


def test_real_use_is_noted(site: Site) -> None:
    eve = server_of(site, "eve")
    said(site, eve, {"kernels": 1})
    assert site.usage.of([eve.lease])[eve.lease].busy_at is None
    said(site, eve, {"kernels": 2, "kernels_busy": 1})
    assert site.usage.of([eve.lease])[eve.lease].busy_at is not None


def test_what_was_killed_and_a_full_home_are_told(site: Site, bob: Running) -> None:
    killed = Sample(lease_id=bob.lease, cpu=1, memory_mb=2000, oom_kills=2, oom_process="python")
    site.usage.sample([killed], clock.now())
    site.usage.homes([HomeUse(username="bob", used_mb=850, measured_at=clock.now())])
    site.quotas.set(Kind.PERSON, "bob", Limits(disk_mb=1000), by="ada")
    told = site.ask(bob.token).json()
    assert (told["oom"]["kills"], told["oom"]["process"]) == (2, "python")
    assert told["disk"] == {"used_mb": 850, "limit_mb": 1000, "warn": True}
    site.usage.homes([HomeUse(username="bob", used_mb=790, measured_at=clock.now())])
    assert site.ask(bob.token).json()["disk"]["warn"] is False


def test_near_its_end_a_session_is_offered_more_and_takes_it(site: Site) -> None:
    joe = server_of(site, "joe")
    then = clock.now() - timedelta(minutes=55)
    with_end(site, joe, then)
    told = site.ask(joe.token).json()
    assert told["extend"]["minutes"] > 0 and told["extend"]["refused"] is None
    before = site.ledger.get(joe.lease)
    after = site.ask(joe.token, "/extend").json()
    lease = site.ledger.get(joe.lease)
    again = site.ask(joe.token, "/extend")  # a second click, of another tab
    assert (again.status_code, again.json()["error"]["given"]) == (409, "too_soon")
    assert site.ledger.get(joe.lease).ends_at == lease.ends_at
    assert lease.ends_at - before.ends_at == timedelta(minutes=told["extend"]["minutes"])
    assert after["ends_at"] == clock.to_iso(lease.ends_at)


def test_a_session_that_may_last_no_longer_is_told_why(site: Site) -> None:
    zoe = server_of(site, "zoe")
    with_end(site, zoe, clock.now() - timedelta(minutes=55))
    site.quotas.set(Kind.PERSON, "zoe", Limits(minutes=60), by="ada")
    assert site.ask(zoe.token).json()["extend"] == {"minutes": 0, "refused": "longest"}
    before = site.ledger.get(zoe.lease).ends_at
    answer = site.ask(zoe.token, "/extend")
    assert answer.status_code == 409
    assert (answer.json()["error"]["code"], answer.json()["error"]["given"]) == (
        "not_extended",
        "longest",
    )
    assert site.ledger.get(zoe.lease).ends_at == before


def test_a_session_that_is_over_is_not_found(site: Site) -> None:
    tom = server_of(site, "tom")
    site.ledger.release(tom.lease, Ended.STOPPED, clock.now())
    for path, body in (("", None), ("", {"keep": True}), ("/extend", {})):
        answer = site.ask(tom.token, path, body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_session")


def test_every_text_is_said_in_chinese() -> None:
    chinese = translator("zh_CN")
    refusals = [sessions.no_session(), sessions.too_soon(timedelta(minutes=12))]
    refusals += [sessions.not_extended(why) for why in NoExtension] + [sessions.too_often()]
    for refusal in refusals:
        said = refusal.localised(chinese)
        assert said.count("。") >= 2 and said != str(refusal), refusal


def said(site: Site, running: Running, beat: dict[str, object]) -> dict[str, object]:
    """What that server is told once its beat is kept: one right after another waits its turn."""
    for _ in range(300):
        told = site.ask(running.token, body=beat).json()
        usage = site.usage.of([running.lease]).get(running.lease)
        if (usage.kernels if usage else 0) == beat.get("kernels", 0):
            return dict(told)
        time.sleep(0.1)
    raise AssertionError(f"{beat} was never kept")


def with_end(site: Site, running: Running, began: datetime) -> None:
    """Let that session have begun then: its minutes count from there."""
    with writing(site.ledger.engine) as session:
        row = session.get(LeaseTable, running.lease)
        assert row is not None
        shift = row.started_at - began
        for name in ("granted_at", "started_at", "ready_at", "ends_at"):
            setattr(row, name, getattr(row, name) - shift)


REPORT = {
    "module": "08_segmentation",
    "version": "1.0.0",
    "consent": True,
    "exercises": {"dice": {"passed": True, "points": 2, "tries": 1, "hints": 0}},
    "quiz": {"leak": {"right": True, "tries": 1}},
}


def shows(site: Site, running: Running, *reports: object) -> httpx.Response:
    """What that server is answered once its progress is taken: soon after another it is not."""
    for _ in range(300):
        answer = site.ask(running.token, "/progress", {"progress": list(reports)})
        if answer.status_code != 429:
            return answer
        time.sleep(0.1)
    raise AssertionError("the progress was never taken")


@pytest.fixture
def published(site: Site) -> None:
    folder = site.folder / "state" / "modules" / "08_segmentation" / "1.0.0"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "module.json").write_text("{}")


def test_a_server_shows_its_owners_progress_and_takes_it_back(
    site: Site, ann: Running, published: None
) -> None:
    progress = ProgressStore(site.ledger.engine)
    broken = {**REPORT, "module": "../secrets"}
    unknown = {**REPORT, "module": "99_invented"}
    assert shows(site, ann, REPORT, broken, unknown).json()["lease"] == ann.lease
    (shown,) = progress.of(["ann", "bob"])
    assert (shown.username, shown.module, shown.version) == ("ann", "08_segmentation", "1.0.0")
    assert shown.exercises["dice"].points == 2
    taken_back = {"module": "08_segmentation", "consent": False}
    assert shows(site, ann, taken_back).status_code == 200
    assert progress.of(["ann", "bob"]) == []


def test_progress_without_consent_is_not_kept(site: Site, bob: Running, published: None) -> None:
    assert shows(site, bob, {**REPORT, "consent": False}).status_code == 200
    assert ProgressStore(site.ledger.engine).of(["bob"]) == []


def test_progress_comes_from_a_server_alone(site: Site, ann: Running, published: None) -> None:
    for token in (None, "wrong", SERVICE, own_token(site, "ann")):
        answer = site.ask(token, "/progress", {"progress": [REPORT]})
        assert answer.status_code == 403, token
    assert ProgressStore(site.ledger.engine).of(["ann"]) == []


def test_progress_without_end_is_refused(site: Site, ann: Running) -> None:
    large = site.ask(ann.token, "/progress", {"progress": ["x" * 300_000]})
    assert large.status_code == 413
    shows(site, ann)
    again = site.ask(ann.token, "/progress", {"progress": []})
    assert (again.status_code, again.json()["error"]["code"]) == (429, "said_too_often")
