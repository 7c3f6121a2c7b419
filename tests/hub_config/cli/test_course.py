"""`./radlab course`: builds the modules of the checkout, lists what is published."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hub_config.cli.__main__ import main


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RADLAB_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def test_an_empty_list_says_how_to_fill_it(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["course", "list"]) == 0
    assert "./radlab course build" in capsys.readouterr().out


def test_a_module_is_built_by_its_id_and_then_listed(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["course", "build", "05_classification", "--json"]) == 0
    (built,) = json.loads(capsys.readouterr().out)
    assert built["changed"] is True
    assert Path(built["folder"], "lesson.zh.ipynb").is_file()
    assert Path(built["folder"]).is_relative_to(state / "modules")
    assert main(["course", "list", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert listed["id"] == "05_classification"
    assert listed["version"] == built["version"]


def test_all_modules_are_built_where_none_is_named(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["course", "build", "--out", str(tmp_path / "out")]) == 0
    assert "05_classification" in capsys.readouterr().out
    assert (tmp_path / "out" / "05_classification").is_dir()
    assert not (state / "modules").exists()


def test_a_typo_names_the_nearest_module(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["course", "build", "05_clasification"]) == 1
    assert "Did you mean '05_classification'?" in capsys.readouterr().err
