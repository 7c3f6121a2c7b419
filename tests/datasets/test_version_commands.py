"""`./radlab dataset list|show|diff|publish|withdraw|verify` over versions of one dataset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from versions_support import image, publish

from dicom_archive.store import Store
from hub_config.cli.__main__ import main
from hub_config.db import migrate, open_database
from hub_config.groups.store import GroupStore
from hub_config.machine import install
from hub_config.settings import load_settings

Said = pytest.CaptureFixture[str]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A state with the groups radiology and surgery, and two versions of `mine`."""
    monkeypatch.setenv("RADLAB_STATE", str(tmp_path / "state"))
    settings = load_settings()
    settings.make_folders()
    settings.database_file.parent.mkdir(parents=True, exist_ok=True)
    engine = open_database(settings.radlab_database_url)
    migrate(engine)
    for name in ("radiology", "surgery"):
        GroupStore(engine).create(name, internet=False, by="test")
    lab = Store(settings.path("datasets"))
    publish(lab, "1.0.0", [image(f"P{k}") for k in range(3)])
    publish(lab, "1.1.0", [image(f"P{k}") for k in range(4)], to=())
    return lab


def ask(capsys: Said, *words: str) -> Any:
    """What the command says as JSON."""
    capsys.readouterr()
    assert main(["dataset", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_list_says_who_sees_each_version(lab: Store, capsys: Said) -> None:
    assert main(["dataset", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].endswith("everyone")
    assert lines[-1].endswith("nobody: a draft")
    assert [one["seen_by"] for one in ask(capsys, "list")] == [["everyone"], []]


def test_a_version_shows_its_card_splits_labels_and_what_is_new(lab: Store, capsys: Said) -> None:
    assert main(["dataset", "show", "mine@1.1.0"]) == 0
    said = capsys.readouterr().out
    for text in (
        "mine@1.1.0: Small",
        "4 of 4 patients",
        "kind: a 4",
        "CC0-1.0",
        "since      1.0.0: 1 added, 0 removed, 0 changed, 3 files the same",
    ):
        assert text in said
    assert ask(capsys, "show", "mine@1.1.0")["parent"]["version"] == "1.0.0"


def test_a_draft_is_published_to_a_group_then_to_all(lab: Store, capsys: Said) -> None:
    shown = ask(capsys, "publish", "mine@1.1.0", "--to", "radiology")
    assert (shown["new"], shown["seen_by"]) == (True, ["radiology"])
    assert main(["dataset", "publish", "mine@1.1.0"]) == 0
    assert "is seen by everyone" in capsys.readouterr().out
    assert main(["dataset", "publish", "mine@1.1.0"]) == 0
    assert "was seen already by everyone" in capsys.readouterr().out


def test_a_group_that_does_not_exist_names_the_nearest(lab: Store, capsys: Said) -> None:
    assert main(["dataset", "publish", "mine@1.1.0", "--to", "radiologie"]) == 1
    assert "radiology" in capsys.readouterr().err
    assert lab.seen_by("mine", "1.1.0") == []


def test_the_difference_of_two_versions_is_told(lab: Store, capsys: Said) -> None:
    assert main(["dataset", "diff", "mine@1.0.0", "mine@1.1.0"]) == 0
    said = capsys.readouterr().out
    assert "1 files added" in said
    assert image("P3").uid in said
    assert "1 patients added" in said
    assert main(["dataset", "diff", "mine@1.0.0", "mine@1.0.0"]) == 0
    assert "nothing changed" in capsys.readouterr().out
    found = ask(capsys, "diff", "mine@1.0.0", "mine@1.1.0")
    assert (found["files"]["same"], found["patients_added"]) == (3, ["P3"])


def test_a_withdrawn_version_is_listed_as_such_and_not_shown_again(
    lab: Store, capsys: Said
) -> None:
    words = ["dataset", "withdraw", "mine@1.0.0", "--reason", "Swapped", "--instead", "mine@1.1.0"]
    assert main(words) == 0
    assert "mine@1.0.0 is withdrawn: Swapped" in capsys.readouterr().out
    assert main(["dataset", "list"]) == 0
    assert "nobody: withdrawn (Swapped)" in capsys.readouterr().out
    assert main(["dataset", "show", "mine@1.0.0"]) == 0
    assert main(["dataset", "verify", "mine@1.0.0"]) == 0
    capsys.readouterr()
    assert main(["dataset", "publish", "mine@1.0.0", "--json"]) == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "version_withdrawn"
    assert "Use mine@1.1.0" in json.dumps(error)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["withdraw", "mine", "--reason", "x"], "which version"),
        (["withdraw", "mine@1.0.0"], "--reason"),
        (["withdraw", "mine@1.0.0", "--reason", "x", "--instead", "mine@3.0.0"], "no version 3"),
        (["publish", "minee@1.0.0"], "Did you mean 'mine'"),
        (["diff", "mine@1.0.0", "mine@9.0.0"], "has no version 9.0.0"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    lab: Store, capsys: Said, words: list[str], said: str
) -> None:
    assert main(["dataset", *words]) != 0
    out = capsys.readouterr().err
    assert said in out
    assert "Traceback" not in out


def test_labels_of_a_withdrawn_version_are_refused_with_its_reason(
    lab: Store, capsys: Said, tmp_path: Path
) -> None:
    assert main(["dataset", "withdraw", "mine@1.0.0", "--reason", "Two were swapped"]) == 0
    capsys.readouterr()
    words = ["export", "mine@1.0.0", str(tmp_path / "out"), "--as", "csv", "--json"]
    assert main(["dataset", *words]) == 1
    assert "Two were swapped" in json.loads(capsys.readouterr().out)["error"]["message"]


def test_a_name_with_an_empty_version_withdraws_nothing(lab: Store, capsys: Said) -> None:
    assert main(["dataset", "withdraw", "mine@", "--reason", "none"]) == 1
    assert [one["withdrawn"] for one in ask(capsys, "list")] == [None, None]


def test_up_does_not_make_a_sample_again_whose_draft_was_withdrawn(
    lab: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = tmp_path / "root" / "datasets" / "cards"
    cards.mkdir(parents=True)
    (cards / "mine.yaml").write_text("version: 1.1.0\n", encoding="utf-8")
    made: list[str] = []
    monkeypatch.setattr(install, "_sample", lambda settings, name, say: made.append(name))
    lab.withdraw("mine", "1.1.0", "Swapped", "2026-01-01T00:00:00Z")
    install._samples(load_settings(), tmp_path / "root", lambda _: None)
    assert made == []
