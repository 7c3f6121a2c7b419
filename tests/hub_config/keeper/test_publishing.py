"""What the portal asks to be published, carried out by a command of its own."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from hub_config.keeper.publishing import Publisher, arguments
from hub_config.settings import Settings
from hub_config.teaching.model import Publication, State
from hub_config.teaching.store import PublicationStore

SOURCE = "https://git.example.edu/course.git#08_segmentation"
DONE = {"id": "08_segmentation", "version": "1.1.0", "changed": True}


class Site:
    """A keeper's publisher with a command of the test's own."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self.settings = settings
        self.store = PublicationStore(engine)

    def publish(self, program: str, *, patience: float = 60) -> Publication:
        """Ask for one, let the command do `program`, and say what became of it."""
        asked = self.store.ask(SOURCE, ("radiology", "oncology"), "ines", within=("radiology",))
        command = (sys.executable, "-c", f"import json, os, sys, time\n{program}")
        Publisher(self.settings, self.store, command=command, patience=patience).round()
        return self.store.get(asked.id)


@pytest.fixture
def site(settings: Settings, engine: Engine) -> Site:
    settings.make_folders()
    return Site(settings, engine)


def test_what_the_command_published_is_kept_with_what_it_said(site: Site) -> None:
    told = site.publish(f"print('proving ...', file=sys.stderr); print(json.dumps({DONE}))")
    assert (told.state, told.module, told.version) == (State.DONE, "08_segmentation", "1.1.0")
    assert told.log == "proving ...\n"


def test_the_colours_of_a_terminal_are_left_out(site: Site) -> None:
    error = {"error": {"message": "\x1b[31mNotMounted\x1b[39m: no dataset."}}
    told = site.publish(
        f"print('\\x1b[32mok\\x1b[0m', file=sys.stderr); print(json.dumps({error})); sys.exit(1)"
    )
    assert told.log == "ok\nNotMounted: no dataset.\n"


def test_a_refusal_is_the_last_line_of_the_log(site: Site) -> None:
    error = {"error": {"code": "module_unproved", "message": "It does not hold.", "do": "Mend it."}}
    told = site.publish(
        f"print('proving ...', file=sys.stderr); print(json.dumps({error}, indent=2)); sys.exit(1)"
    )
    assert (told.state, told.module) == (State.FAILED, None)
    assert told.log == "proving ...\nIt does not hold. Mend it.\n"


@pytest.mark.parametrize(
    ("program", "last"),
    [
        ("sys.exit(3)", "The command ended with 3.\n"),
        ("print('{}')", "The command ended with 0.\n"),
        ("print('half a li'); sys.exit(0)", "The command ended with 0.\n"),
        ("os.kill(os.getpid(), 9)", "The command ended with -9.\n"),
    ],
)
def test_a_command_that_says_nothing_has_not_published(site: Site, program: str, last: str) -> None:
    told = site.publish(program)
    assert (told.state, told.log) == (State.FAILED, last)


def test_a_command_without_end_is_stopped_with_all_that_it_began(
    site: Site, tmp_path: Path
) -> None:
    child = f"""
import subprocess
pid = subprocess.Popen(['sleep', '600']).pid
open({str(tmp_path / "pid")!r}, 'w').write(str(pid))
time.sleep(600)
"""
    told = site.publish(child, patience=2)
    assert told.state is State.FAILED
    assert "was stopped" in told.log
    pid = int((tmp_path / "pid").read_text())
    state = Path(f"/proc/{pid}/stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_command_that_cannot_be_begun_stays_running_for_nobody(site: Site) -> None:
    asked = site.store.ask(SOURCE, None, "ana")
    with pytest.raises(OSError):
        Publisher(site.settings, site.store, command=("/nowhere/radlab",)).round()
    ended = site.store.get(asked.id)
    assert ended.state is State.FAILED
    assert "could not be begun" in ended.log


def test_what_ran_when_the_keeper_ended_is_done_again(site: Site) -> None:
    asked = site.store.ask(SOURCE, None, "ana")
    site.store.take()
    program = f"import json; print(json.dumps({DONE}))"
    publisher = Publisher(site.settings, site.store, command=(sys.executable, "-c", program))
    publisher.round()
    assert site.store.get(asked.id).state is State.DONE


def test_the_command_has_a_room_that_docker_sees_and_is_asked_nothing(site: Site) -> None:
    names = ("TMPDIR", "RADLAB_STATE", "GIT_TERMINAL_PROMPT")
    facts = f"{{name: os.environ.get(name) for name in {names}}}"
    told = site.publish(f"print(json.dumps({facts}), sys.stdin.read(), file=sys.stderr)")
    seen = json.loads(told.log.splitlines()[0])
    assert seen["TMPDIR"] == str(site.settings.path("run", "publishing"))
    assert seen["RADLAB_STATE"] == site.settings.state
    assert seen["GIT_TERMINAL_PROMPT"] == "0"
    assert os.listdir(seen["TMPDIR"]) == []


def test_the_words_of_the_command_say_who_what_and_for_whom(site: Site) -> None:
    asked = site.store.ask(SOURCE, ("oncology", "radiology"), "ines", within=("radiology",))
    words = ["--json", "--by", "ines", "--to", "oncology", "--to", "radiology"]
    assert arguments(asked) == [*words, "--within", "radiology", "--", SOURCE]
    everyone = replace(asked, groups=None, within=None, by="ana")
    assert arguments(everyone) == ["--json", "--by", "ana", "--everyone", "--", SOURCE]


def test_the_words_are_those_that_the_command_takes(site: Site) -> None:
    from hub_config.cli.course import command

    publish = command.commands["publish"]  # type: ignore[attr-defined]
    asked = site.store.ask(SOURCE, ("radiology",), "ines", within=("radiology",))
    context = publish.make_context("publish", arguments(asked))
    assert context.params["module"] == SOURCE
    assert context.params["groups"] == context.params["within"] == ("radiology",)
    assert context.params["by"] == "ines"
    assert context.params["as_json"] is True
