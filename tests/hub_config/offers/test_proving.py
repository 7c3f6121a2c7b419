"""The desk of a proof: what is laid on it, and what of it is read back from a stranger's hands."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from hub_config.cli import _course_new
from hub_config.errors import BadInput
from hub_config.offers import proving
from hub_config.offers.proving import (
    Ask,
    ModuleUnproved,
    UnknownProfile,
    lay_desk,
    parse_parameters,
    read_back,
    read_report,
)

REPORT: dict[str, Any] = {
    "ok": True,
    "problems": [],
    "exercises": {"double": 1},
    "claims": [],
    "seconds": 3.5,
    "first_figure_seconds": None,
    "slowest": [["desk", 1.0]],
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The module that `course new` makes."""
    folder = tmp_path_factory.mktemp("courses") / "20_films"
    for name, content in _course_new.files("20_films").items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def asked(desk: Path) -> Any:
    return json.loads((desk / "ask.json").read_text())


def test_the_desk_holds_what_is_shipped_the_known_mistakes_and_each_gap(
    source: Path, tmp_path: Path
) -> None:
    lay_desk(source, tmp_path, Ask())
    assert (tmp_path / "module" / "checks.py").read_text() == (source / "checks.py").read_text()
    assert not (tmp_path / "module" / "wrong").exists()
    assert (tmp_path / "wrong" / "double_other.py").is_file()
    cells = {cell["name"]: cell for cell in json.loads((tmp_path / "cells.json").read_text())}
    assert "..." in cells["double"]["stub"] and "number * 2" not in cells["double"]["stub"]
    assert "number * 2" in cells["double"]["solution"]


@pytest.mark.parametrize(
    ("ask", "solved", "claims"),
    [
        (Ask(), True, True),
        (Ask(untouched=True), False, False),
        (Ask(parameters={"seed": 2}), True, False),
    ],
)
def test_claims_are_asked_for_where_the_page_runs_as_it_stands(
    source: Path, tmp_path: Path, ask: Ask, solved: bool, claims: bool
) -> None:
    lay_desk(source, tmp_path, ask)
    assert ("number * 2" in (tmp_path / "lesson.ipynb").read_text()) is solved
    assert asked(tmp_path)["claims"] is claims
    assert asked(tmp_path)["parameters"] == dict(ask.parameters)


def test_a_slow_machine_gets_its_patience(source: Path, tmp_path: Path) -> None:
    lay_desk(source, tmp_path, Ask(profile="class", patience=1.5))
    assert asked(tmp_path)["seconds"] == 270
    assert asked(tmp_path)["profile"] == "class"


@pytest.mark.parametrize(
    ("profile", "said"),
    [("clas", "Did you mean 'class'?"), ("gpu_short", "has no budget for the profile 'gpu_short'")],
)
def test_a_profile_that_the_module_lacks_is_refused(
    source: Path, tmp_path: Path, profile: str, said: str
) -> None:
    with pytest.raises(UnknownProfile) as refused:
        lay_desk(source, tmp_path, Ask(profile=profile))
    assert said in str(refused.value)


def test_a_language_that_it_is_not_written_in_is_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is not written in 'fr'"):
        lay_desk(source, tmp_path, Ask(language="fr"))


def test_values_of_parameters_are_read_as_what_they_look_like() -> None:
    words = ["seed=2", "dataset=chest-film", "share=0.5", "fast=true"]
    found = parse_parameters(words)
    assert found == {"seed": 2, "dataset": "chest-film", "share": 0.5, "fast": True}


@pytest.mark.parametrize("word", ["seed", "=2", "my seed=2", "a.b=1"])
def test_what_is_no_parameter_is_refused(word: str) -> None:
    with pytest.raises(BadInput, match="is no parameter"):
        parse_parameters([word])


def test_a_report_is_read(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(json.dumps(REPORT))
    report = read_report(tmp_path)
    assert report.ok and report.exercises == {"double": 1} and report.seconds == 3.5


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"problems": []}'])
def test_a_report_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(ModuleUnproved, match=r"left no report\.json that can be read"):
        read_report(tmp_path)


def test_a_link_to_a_file_of_the_host_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(json.dumps(REPORT))
    (tmp_path / "report.json").symlink_to(tmp_path / "secret")
    with pytest.raises(ModuleUnproved):
        read_report(tmp_path)


def test_a_pipe_that_never_ends_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "report.json")
    with pytest.raises(ModuleUnproved, match="it is no file"):
        read_report(tmp_path)


def test_a_file_without_measure_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proving, "MOST_BACK", 10)
    (tmp_path / "run.ipynb").write_bytes(b"x" * 10)
    assert read_back(tmp_path / "run.ipynb") == b"x" * 10
    (tmp_path / "run.ipynb").write_bytes(b"x" * 11)
    with pytest.raises(ModuleUnproved, match="more than 10 bytes"):
        read_back(tmp_path / "run.ipynb")
