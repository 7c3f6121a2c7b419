"""The commands that run the platform, on a machine where nothing of it runs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hub_config.cli.__main__ import main
from hub_config.settings import Settings

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """`run("status")` gives exit status, output and errors, on an empty state folder."""
    monkeypatch.setenv("RADLAB_STATE", settings.state)
    # An engine that is not there, and networks of nobody's: the machine's own stay out of it.
    monkeypatch.setenv("RADLAB_ENGINE", "unix:///nowhere/docker.sock")
    monkeypatch.setenv("RADLAB_INSTANCE", "nowhere")

    def call(*words: str) -> tuple[int, str, str]:
        status = main(list(words))
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


def test_doctor_names_each_thing_that_lacks_and_what_to_do(run: Run) -> None:
    status, out, _ = run("doctor", "--json")
    found = {check["name"]: check for check in json.loads(out)["checks"]}
    assert status == 1 and not json.loads(out)["ok"]
    assert "/nowhere/docker.sock" in found["engine"]["finding"]
    for name in ("engine", "networks", "walls", "keeper", "images", "database", "services"):
        assert found[name]["verdict"] == "wrong" and found[name]["do"], name
    for name in ("python", "clock", "memory"):
        assert found[name]["verdict"] == "ok", name


def test_doctor_warns_of_plain_http_beyond_loopback(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, out, _ = run("doctor")
    assert "PLAIN HTTP on 0.0.0.0:8000" in out and "--certificate" in out
    for name, value in {
        "RADLAB_LISTEN": "127.0.0.1",
        "RADLAB_TRUSTED_PROXY": "10.0.0.1",
        "RADLAB_PLAIN_HTTP_ACCEPTED": "yes",
    }.items():
        with monkeypatch.context() as patched:
            patched.setenv(name, value)
            assert "PLAIN HTTP" not in run("doctor")[1]


def test_status_says_what_is_down_and_why(run: Run) -> None:
    status, out, _ = run("status", "--json")
    assert status == 1
    found = json.loads(out)
    assert not found["up"] and set(found["parts"]) == {"engine", "keeper", "proxy", "hub", "portal"}
    assert "nobody watches the firewall" in found["parts"]["keeper"]["reason"]
    assert found["servers"] == []


def test_a_log_that_is_not_there_names_the_nearest(run: Run, settings: Settings) -> None:
    status, _, err = run("logs", "keepr")
    assert status == 1 and "Did you mean 'keeper'?" in err


def test_a_log_is_shown(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RADLAB_STATE", settings.state)
    settings.path("log", "image-base.log").write_text("one\ntwo\n")
    assert main(["logs", "image-base", "-n", "1"]) == 0
    assert capfd.readouterr().out == "two\n"


def test_a_setting_that_is_none_is_refused_and_nothing_written(
    run: Run, settings: Settings
) -> None:
    status, _, err = run("up", "--set", "warn_minuts=5")
    assert status == 1 and "NAME=VALUE" in err
    assert not settings.path("settings.yaml").exists()


def test_up_refuses_a_certificate_that_is_not_there(run: Run, settings: Settings) -> None:
    status, _, err = run("up", "--certificate", "/nowhere/site.pem")
    assert status == 1 and "certificate" in err and "a file that exists" in err
    assert not settings.path("settings.yaml").exists()


def test_down_of_a_radlab_that_never_was_says_so(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RADLAB_STATE", str(tmp_path / "none"))
    status, out, _ = run("down")
    assert status == 0 and "nothing to stop" in out


def test_down_without_an_answering_engine_releases_nothing(run: Run, settings: Settings) -> None:
    status, out, _ = run("down")
    assert status == 0 and "their leases and the firewall rules stay" in out


@pytest.mark.parametrize("command", ["up", "down", "test"])
def test_what_changes_the_machine_wants_root(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    status, _, err = run(command)
    assert status == 1 and f"sudo ./radlab {command}" in err


@pytest.mark.parametrize("words", [["group", "create", "x"], ["gpu", "list"], ["status"]])
def test_a_database_of_the_system_users_wants_root(
    run: Run, settings: Settings, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    settings.database_file.touch()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    status, _, err = run(*words)
    assert status == 1 and f"sudo ./radlab {' '.join(words[:2])}" in err
