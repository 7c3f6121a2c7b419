from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from hub_config import clock
from hub_config.cli.__main__ import main
from hub_config.db import migrate, open_database
from hub_config.settings import Settings
from hub_config.usage.store import AuditStore
from tests.hub_config.queueing.story import Site

Radlab = Callable[..., tuple[int, str]]


@pytest.fixture
def story(settings: Settings) -> Site:
    """Ann runs on the one card of aa, bob and cat wait for it."""
    engine = open_database(settings.radlab_database_url)
    migrate(engine)
    site = Site(engine, settings, now=clock.now())
    site.cards("aa")
    site.run("ann")
    site.enter("bob", module="03_unet")
    site.enter("cat")
    return site


@pytest.fixture
def radlab(
    story: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Radlab:
    monkeypatch.setenv("RADLAB_STATE", story.settings.state)

    def run(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        status = main(["queue", *words])
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


@pytest.mark.parametrize("words", [["--json"], ["list", "--json"]])
def test_the_queue_is_listed_with_or_without_the_word(radlab: Radlab, words: list[str]) -> None:
    status, said = radlab(*words)
    rows = json.loads(said)
    assert status == 0
    assert [(row["username"], row["state"], row["position"], row["order"]) for row in rows] == [
        ("ann", "running", 0, 1),
        ("bob", "waiting", 1, 2),
        ("cat", "waiting", 2, 3),
    ]
    assert rows[0]["until"] <= rows[1]["expected"] < rows[2]["expected"]
    assert (rows[1]["task"], rows[1]["group"], rows[1]["reason"]) == ("03_unet", "aa", "busy")


def test_the_table_shows_one_line_each(radlab: Radlab) -> None:
    status, said = radlab("list")
    assert status == 0
    assert said.splitlines()[0].startswith("ORDER  PLACE")
    assert "waiting 1" in said.splitlines()[2]


def test_moving_up_and_leaving_want_a_reason_and_record_it(radlab: Radlab, story: Site) -> None:
    assert radlab("move-up", "cat")[0] == 1
    assert radlab("move-up", "cat", "--reason", "an examination")[0] == 0
    assert story.waiting() == ["cat", "bob"]
    place = story.place("cat").id
    status, said = radlab("leave", place[:8], "--reason", "gone home", "--json")
    assert (status, json.loads(said)) == (0, {"id": place, "username": "cat", "state": "left"})
    entries = AuditStore(story.engine).recent()
    assert [(entry.action, entry.reason) for entry in entries] == [
        ("leave", "gone home"),
        ("move_up", "an examination"),
    ]


def test_unknown_and_ambiguous_places_are_refused(radlab: Radlab, story: Site) -> None:
    story.queue.enter("bob", "b", ["aa"], story.place("bob").request, {}, "bob", story.now)
    for given, code in (("nobody", "unknown_place"), ("bob", "ambiguous_place")):
        status, said = radlab("leave", given, "--reason", "a test", "--json")
        assert (status, json.loads(said)["error"]["code"]) == (1, code)


def test_a_name_with_a_typo_is_refused_with_the_nearest(radlab: Radlab, story: Site) -> None:
    status, said = radlab("leave", "bobb", "--reason", "a test")
    assert status == 1 and "Did you mean 'bob'?" in said
    assert story.waiting() == ["bob", "cat"]


def test_an_empty_queue_says_so(radlab: Radlab, story: Site) -> None:
    for name in ("bob", "cat"):
        story.queue.leave(story.place(name).id, name, story.now)
    story.release("ann")
    assert radlab() == (0, "Nobody runs a server, and nobody waits.\n")
