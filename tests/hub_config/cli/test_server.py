"""`./radlab server` on a database of its own, before a stand-in for the Hub's REST API."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from hub_config import clock
from hub_config.cli.__main__ import main
from hub_config.db import migrate, open_database
from hub_config.gpus.model import Ended
from hub_config.settings import Settings
from hub_config.usage.model import Kind, Limits, Sample
from hub_config.usage.store import AuditStore, QuotaStore, UsageStore
from tests.hub_config.queueing.story import Site

Radlab = Callable[..., tuple[int, str]]


class Hub(BaseHTTPRequestHandler):
    """Keeps what it was asked, and answers with `status`."""

    asked: list[tuple[str, str, Any]]
    status = 202

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or "null")
        type(self).asked.append((self.command, self.path, body))
        self.send_response(type(self).status)
        self.end_headers()
        if type(self).status >= 400:
            self.wfile.write(b'{"message": "It needs 3 GB."}')

    do_DELETE = do_POST

    def do_GET(self) -> None:
        assert self.path == "/hub/api/users"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'[{"name": "ann"}, {"name": "cat"}]')

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def hub(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    fresh = type("FreshHub", (Hub,), {"asked": []})
    server = HTTPServer(("127.0.0.1", 0), fresh)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/hub/api"
    monkeypatch.setattr(Settings, "hub_api_url", property(lambda _: url))
    yield fresh
    server.shutdown()
    server.server_close()


@pytest.fixture
def story(settings: Settings) -> Site:
    """Ann runs on the one card of aa, bob waits for it."""
    engine = open_database(settings.radlab_database_url)
    migrate(engine)
    settings.make_secret("portal_token")
    site = Site(engine, settings, now=clock.now())
    site.cards("aa")
    site.run("ann")
    site.enter("bob")
    return site


@pytest.fixture
def radlab(
    story: Site, hub: type[Hub], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Radlab:
    monkeypatch.setenv("RADLAB_STATE", story.settings.state)

    def run(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        status = main(["server", *words])
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


def reasons(story: Site) -> list[tuple[str, str | None, str]]:
    return [(e.action, e.username, e.reason) for e in AuditStore(story.engine).recent()]


def test_a_server_is_listed_with_what_it_uses(radlab: Radlab, story: Site) -> None:
    [lease] = story.ledger.active()
    look = Sample(lease_id=lease.id, cpu=1.5, memory_mb=2048, oom_kills=2, oom_process="python")
    UsageStore(story.engine).sample([look], clock.now())
    [row] = json.loads(radlab("list", "--json")[1])
    assert (row["username"], row["usage"]["cpu_now"], row["usage"]["oom_kills"]) == ("ann", 1.5, 2)
    assert "1.5 of" in radlab("list")[1].splitlines()[1]


def test_nothing_is_done_for_somebody_without_a_reason(
    radlab: Radlab, story: Site, hub: type[Hub]
) -> None:
    before = story.ledger.active()
    for words in (
        ["stop", "ann"],
        ["extend", "ann", "--minutes", "30"],
        ["start", "cat", "--image", "base"],
    ):
        assert radlab(*words)[0] == 1
    assert (hub.asked, story.ledger.active(), reasons(story)) == ([], before, [])


def test_a_session_is_extended_though_somebody_waits(radlab: Radlab, story: Site) -> None:
    [before] = story.ledger.active()
    assert radlab("extend", "ann", "--minutes", "30", "--reason", "exam")[0] == 0
    [after] = story.ledger.active()
    assert (after.ends_at - before.ends_at).total_seconds() == 30 * 60
    assert reasons(story) == [("extend", "ann", "exam")]


def test_an_idle_session_that_is_extended_counts_as_used(radlab: Radlab, story: Site) -> None:
    [before] = story.ledger.active()
    story.ledger.stop_early(before.id, clock.now() + timedelta(minutes=5), Ended.IDLE)
    assert radlab("extend", "ann", "--minutes", "30", "--reason", "exam")[0] == 0
    [after] = story.ledger.active()
    assert after.until == before.ends_at + timedelta(minutes=30)
    busy_at = UsageStore(story.engine).of([after.id])[after.id].busy_at
    assert busy_at is not None and busy_at >= before.granted_at


def test_a_session_is_extended_as_far_as_the_quota_goes(radlab: Radlab, story: Site) -> None:
    [before] = story.ledger.active()
    limits = Limits(minutes=before.minutes + 10)
    QuotaStore(story.engine).set(Kind.PERSON, "ann", limits, "ada")
    assert radlab("extend", "ann", "--minutes", "11", "--reason", "exam")[0] == 1
    assert (story.ledger.active(), reasons(story)[:-1]) == ([before], [])
    assert radlab("extend", "ann", "--minutes", "10", "--reason", "exam")[0] == 0


def test_what_was_done_is_in_the_audit_though_the_hub_does_not_answer(
    radlab: Radlab, story: Site, hub: type[Hub]
) -> None:
    hub.status = 500
    assert radlab("stop", "bob", "--reason", "went home")[0] == 1
    assert story.waiting() == []
    assert reasons(story) == [("stop", "bob", "went home")]


@pytest.mark.parametrize("minutes", ["0", "-5", "1000000"])
def test_absurd_minutes_are_refused_and_change_nothing(
    radlab: Radlab, story: Site, minutes: str
) -> None:
    before = story.ledger.active()
    assert radlab("extend", "ann", "--minutes", minutes, "--reason", "exam")[0] == 2
    assert story.ledger.active() == before


def test_stopping_notes_who_ended_it_and_asks_the_hub(
    radlab: Radlab, story: Site, hub: type[Hub]
) -> None:
    assert radlab("stop", "ann", "--reason", "the room is needed")[0] == 0
    [lease] = story.ledger.active()
    assert lease.why_ended == "administrator"
    assert hub.asked == [("DELETE", "/hub/api/users/ann/server", None)]
    assert reasons(story) == [("stop", "ann", "the room is needed")]


def test_stopping_who_waits_gives_the_place_up(radlab: Radlab, story: Site) -> None:
    assert radlab("stop", "bob", "--reason", "went home")[0] == 0
    assert story.waiting() == []


def test_a_start_reaches_the_hub_as_the_launch_page_would_send_it(
    radlab: Radlab, story: Site, hub: type[Hub]
) -> None:
    words = ["--module", "05_classification", "--gpu", "--size", "gpu", "--reason", "lost time"]
    assert radlab("start", "cat", *words)[0] == 0
    options = {"module": "05_classification", "gpu": True, "size": "gpu"}
    assert hub.asked == [("POST", "/hub/api/users/cat/server", {"user_options": options})]
    assert reasons(story) == [("start", "cat", "lost time")]


def test_a_start_that_the_hub_refuses_says_its_reason_and_is_no_entry(
    radlab: Radlab, story: Site, hub: type[Hub]
) -> None:
    hub.status = 422
    status, said = radlab("start", "cat", "--image", "base", "--reason", "lost time")
    assert status == 1 and "It needs 3 GB." in said
    assert reasons(story) == []


def test_a_name_that_runs_nothing_is_refused_with_the_nearest(radlab: Radlab) -> None:
    status, said = radlab("stop", "anne", "--reason", "exam")
    assert status == 1 and "Did you mean 'ann'?" in said


def test_a_start_for_nobody_is_refused_with_the_nearest(
    radlab: Radlab, story: Site, hub: type[Hub]
) -> None:
    hub.status = 404
    status, said = radlab("start", "catt", "--image", "base", "--reason", "lost time")
    assert status == 1 and "Did you mean 'cat'?" in said
    assert reasons(story) == []
