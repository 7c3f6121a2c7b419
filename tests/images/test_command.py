"""`./radlab image`: what it prints, and how it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hub_config.cli.__main__ import main


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RADLAB_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def test_without_an_engine_the_refusal_is_json_where_json_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RADLAB_ENGINE", "unix:///nowhere/docker.sock")
    assert main(["image", "list", "--json"]) == 1
    refusal = json.loads(capsys.readouterr().out)["error"]
    assert refusal["code"] == "engine_unready"
    assert "up" in refusal["do"]


def test_a_typo_names_the_nearest_image_and_builds_nothing(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["image", "build", "imagin"]) == 1
    assert "Did you mean 'imaging'?" in capsys.readouterr().err
    assert not state.exists()


@pytest.mark.engine
def test_the_list_says_of_each_image_whether_it_is_built(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["image", "list", "--json"]) == 0
    listed = {image["id"]: image for image in json.loads(capsys.readouterr().out)["images"]}
    assert list(listed) == ["base", "imaging"]
    assert listed["imaging"]["tag"].startswith("radlab/imaging:1.0-")
    assert isinstance(listed["imaging"]["built"], bool)
    assert set(listed["base"]["title"]) == {"en", "zh_CN"}
