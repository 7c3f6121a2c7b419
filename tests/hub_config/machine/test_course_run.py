"""The fence around a module that is proved, and the desk that it writes on."""

from __future__ import annotations

import os
import signal
import stat
from pathlib import Path

import pytest

from hub_config.machine import course_run
from hub_config.offers.modules import Module
from hub_config.settings import Settings

MODULE = Module.model_validate(
    {
        "id": "20_films",
        "version": "1.0.0",
        "title": {"en": "Films"},
        "summary": {"en": "Films."},
        "objectives": {"en": ["See"]},
        "minutes": 45,
        "image": "imaging",
        "cpus": 1.5,
        "memory_gb": 2,
        "languages": ["en"],
        "order": 20,
    }
)


def test_a_module_runs_fenced_in_as_a_session_is(tmp_path: Path) -> None:
    fence = course_run.fence(MODULE, Settings(state=str(tmp_path)), "zh_CN")
    assert fence["network_mode"] == "none"
    assert fence["read_only"] is True
    assert fence["cap_drop"] == ["ALL"]
    assert fence["security_opt"] == ["no-new-privileges:true"]
    assert fence["user"] == "10001:10001"
    assert fence["pids_limit"] == 512
    assert fence["mem_limit"] == fence["memswap_limit"] == 2 * 2**30
    assert fence["cpu_quota"] / fence["cpu_period"] == 1.5
    assert fence["environment"]["RADLAB_LANGUAGE"] == "zh_CN"
    assert {mount["mode"] for mount in fence["volumes"].values()} == {"ro"}
    assert "docker.sock" not in str(fence)


def test_what_it_prints_cannot_fill_the_disk_of_the_host(tmp_path: Path) -> None:
    fence = course_run.fence(MODULE, Settings(state=str(tmp_path)), "en")
    assert fence["log_config"].config == {"max-size": "8m", "max-file": "1"}


def test_the_desk_is_open_to_its_container_and_closed_to_others_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with course_run.desk_folder() as desk:
        assert desk.is_relative_to(tmp_path)
        assert stat.S_IMODE(desk.stat().st_mode) == 0o777
        assert stat.S_IMODE(desk.parent.stat().st_mode) == 0o700
        (desk / "report.json").write_text("{}")
    assert list(tmp_path.iterdir()) == []


def test_being_told_to_end_unwinds_so_that_the_container_is_removed() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), course_run.stopped_by_signals():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before
