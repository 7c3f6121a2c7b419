from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from hub_config.cli.__main__ import main
from hub_config.db import open_database
from hub_config.settings import Settings

Radlab = Callable[..., tuple[int, str]]


@pytest.fixture
def radlab(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Radlab:
    """Runs a command on an empty RadLab; gives its exit status and all that it printed."""
    monkeypatch.setenv("RADLAB_STATE", settings.state)
    open_database(settings.radlab_database_url).connect().close()

    def run(*words: str) -> tuple[int, str]:
        status = main(list(words))
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return run


def test_a_group_is_made_listed_changed_and_removed(radlab: Radlab) -> None:
    status, printed = radlab("group", "create", "radiology", "--title", "放射科", "--json")
    assert (status, json.loads(printed)["created_by"].split(":")[0]) == (0, "shell")
    listed = radlab("group", "list")[1].split()
    assert listed == ["radiology", "no", "internet", "no", "loans", "放射科"]
    assert json.loads(radlab("group", "internet", "radiology", "on", "--json")[1])["internet"]
    assert radlab("group", "remove", "radiology")[0] == 0
    assert "no group yet" in radlab("group", "list")[1]


def test_a_group_lends_and_borrows(radlab: Radlab) -> None:
    radlab("group", "create", "radiology")
    assert "lends" in radlab("group", "lending", "radiology", "--lends")[1]
    status, printed = radlab("group", "lending", "radiology", "--borrows", "--json")
    group = json.loads(printed)
    assert (status, group["lends"], group["borrows"]) == (0, True, True)
    assert "lends, borrows" in radlab("group", "list")[1]
    radlab("group", "lending", "radiology", "--keeps")
    assert "  borrows" in radlab("group", "list")[1]
    assert radlab("group", "lending", "radiology")[0] == 2


def test_a_refusal_has_status_1_and_one_json_shape(radlab: Radlab) -> None:
    radlab("group", "create", "radiology")
    status, printed = radlab("group", "internet", "radiolgy", "on", "--json")
    error = json.loads(printed)["error"]
    assert status == 1
    assert error["code"] == "unknown_group"
    assert "Did you mean 'radiology'?" in error["message"]
    assert [g["internet"] for g in json.loads(radlab("group", "list", "--json")[1])] == [False]


def test_before_the_first_up_commands_say_so_and_make_no_file(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RADLAB_STATE", settings.state)
    assert main(["group", "list"]) == 1
    assert "./radlab up" in capsys.readouterr().err
    assert not settings.database_file.exists()
