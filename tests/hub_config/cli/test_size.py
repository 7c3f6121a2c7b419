"""`./radlab size list` shows the sizes of the site, and which this machine cannot hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from hub_config.cli import size as size_command
from hub_config.cli.__main__ import main
from hub_config.offers.host import Host

HUGE = {
    "id": "huge",
    "title": {"en": "Huge", "zh_CN": "巨型"},
    "cpus": 64,
    "memory_gb": 512,
    "gpus": 2,
    "gpu_memory_gb": 80,
    "minutes": 240,
    "groups": ["imaging"],
}


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder, on a machine of two cores and 16 GB."""
    monkeypatch.setenv("RADLAB_STATE", str(tmp_path))
    monkeypatch.setattr(size_command, "this_host", lambda: Host(2, 16 * 1024))
    (tmp_path / "offers").mkdir()
    return tmp_path


def write(site: Path, *sizes: dict[str, object]) -> None:
    text = yaml.safe_dump({"sizes": list(sizes)}, allow_unicode=True)
    (site / "offers" / "sizes.yaml").write_text(text)


def test_the_shipped_sizes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["size", "list"]) == 0
    head, small, *_, large = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["SIZE", "CORES", "GB"]
    assert small.split()[:3] == ["small", "1", "2"] and "everybody" in small
    assert "more than this machine has: 2 cores, 16 GB" in large


def test_a_script_gets_every_field(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(site, HUGE)
    assert main(["size", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [{**HUGE, "held": False}]


def test_a_size_for_some_groups_names_them(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(site, HUGE)
    main(["size", "list"])
    line = capsys.readouterr().out.splitlines()[1]
    assert line.split()[:7] == ["huge", "64", "512", "2", "80", "240", "imaging"]


def test_an_empty_list_says_what_then(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(site)
    assert main(["size", "list"]) == 0
    assert "has its own numbers" in capsys.readouterr().out


def test_a_wrong_line_is_refused_by_name(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(site, {**HUGE, "core": 2})
    assert main(["size", "list"]) == 1
    assert "there is no key 'core'" in capsys.readouterr().err
