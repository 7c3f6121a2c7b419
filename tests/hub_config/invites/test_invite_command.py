"""`./radlab invite`, from its words to what it prints."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from hub_config.cli.__main__ import main
from hub_config.db import open_database
from hub_config.invites import codes
from hub_config.invites.store import InviteStore, open_store
from hub_config.settings import Settings

Radlab = Callable[..., tuple[int, str]]


@pytest.fixture
def radlab(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Radlab:
    """Runs a command on a RadLab with the group ct; gives exit status and all that it printed."""
    monkeypatch.setenv("RADLAB_STATE", settings.state)
    open_database(settings.radlab_database_url).connect().close()

    def run(*words: str) -> tuple[int, str]:
        status = main(list(words))
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    assert run("group", "create", "ct")[0] == 0
    return run


@pytest.fixture
def store(settings: Settings) -> InviteStore:
    return open_store(settings)


def test_a_code_is_made_shown_once_listed_and_revoked(radlab: Radlab, store: InviteStore) -> None:
    status, printed = radlab("invite", "create", "--group", "ct", "--uses", "30", "--json")
    made = json.loads(printed)
    assert (status, made["invite"]["uses"], made["invite"]["role"]) == (0, 30, "student")
    assert made["invite"]["created_by"].startswith("shell:")
    assert made["link"].endswith(f"/hub/signup#code={made['code']}")
    listed = radlab("invite", "list")[1]
    assert f"{made['invite']['prefix']}…" in listed
    assert made["code"] not in listed
    store.redeem(codes.read(made["code"]), "ana", "hash")
    assert json.loads(radlab("invite", "list", "--json")[1])[0]["used"] == 1
    assert "lets nobody in" in radlab("invite", "revoke", str(made["invite"]["id"]))[1]
    assert json.loads(radlab("invite", "list", "--json")[1])[0]["state"] == "revoked"


def test_what_a_code_promises_is_said(radlab: Radlab) -> None:
    printed = radlab("invite", "create", "-g", "ct", "--uses", "30", "--expires", "2h")[1]
    assert "It lets in 30 students, group ct, until " in printed
    assert "Neither is shown again." in printed
    printed = radlab("invite", "create", "-g", "ct", "--user", "Ana")[1]
    assert "It lets in the student ana, group ct, until " in printed
    assert "&user=ana" in printed


def test_a_reset_link_is_made_for_an_account(radlab: Radlab, store: InviteStore) -> None:
    made = json.loads(radlab("invite", "create", "-g", "ct", "--json")[1])
    store.redeem(codes.read(made["code"]), "ana", "hash")
    printed = radlab("invite", "reset", "--user", "ana")[1]
    assert "/hub/reset#code=" in printed
    assert "With it ana chooses a new password, once" in printed


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["create", "-g", "ctt"], "unknown_group", "Did you mean 'ct'?"),
        (["create", "-g", "ct", "--role", "studnet"], "bad_invite", "Did you mean 'student'?"),
        (["create", "-g", "ct", "--expires", "soon"], "bad_expiry", "'soon' is not a time"),
        (["create", "-g", "ct", "--uses", "0"], "bad_invite", "cannot have 0 uses"),
        (["create", "-g", "ct", "--user", "a b"], "bad_user_name", "'a b' cannot be a user name"),
        (["create"], "bad_invite", "needs a group"),
        (["revoke", "9"], "unknown_invite", "There is no invite 9."),
        (["reset", "--user", "ana"], "unknown_account", "There is no account 'ana'."),
    ],
)
def test_a_refusal_is_a_sentence_or_one_json_shape(
    radlab: Radlab, words: list[str], code: str, sentence: str
) -> None:
    status, printed = radlab("invite", *words)
    assert (status, sentence in printed) == (1, True)
    status, printed = radlab("invite", *words, "--json")
    assert (status, json.loads(printed)["error"]["code"]) == (1, code)


def test_without_a_code_the_list_says_how_to_make_one(radlab: Radlab) -> None:
    assert "./radlab invite create" in radlab("invite", "list")[1]
