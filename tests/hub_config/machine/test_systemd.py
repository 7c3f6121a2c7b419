"""Units as systemd itself judges them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hub_config.machine.services import NAMES
from hub_config.machine.systemd import Systemd, units
from hub_config.settings import Settings


@pytest.fixture
def analyze() -> str:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed; `./radlab test` installs it where it can")
    return program


@pytest.mark.parametrize("port", [8000, 443])
def test_systemd_finds_nothing_wrong_with_the_units(
    analyze: str, settings: Settings, tmp_path: Path, port: int
) -> None:
    settings.port = port
    settings.system_user = "daemon"  # one that exists, as ours does after `up`
    for name, text in units(settings).items():
        (tmp_path / name).write_text(text)
    files = [str(tmp_path / name) for name in units(settings)]
    done = subprocess.run(
        [analyze, "verify", "--man=no", "--recursive-errors=no", *files],
        capture_output=True,
        text=True,
    )
    said = [line for line in done.stderr.splitlines() if str(tmp_path) in line]
    assert done.returncode == 0 and not said, done.stderr


def test_a_mistake_in_a_unit_is_seen_by_this_test(analyze: str, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.service"
    wrong.write_text("[Service]\nExecStart=/no/such/program\n")
    done = subprocess.run(
        [analyze, "verify", "--man=no", str(wrong)], capture_output=True, text=True
    )
    assert done.returncode != 0


def test_a_reboot_starts_the_target_and_the_target_all_services(settings: Settings) -> None:
    made = units(settings)
    assert set(made) == {"radlab.target", *(f"radlab-{name}.service" for name in NAMES)}
    assert "WantedBy=multi-user.target" in made["radlab.target"]
    for name in NAMES:
        unit = made[f"radlab-{name}.service"]
        assert f"radlab-{name}.service" in made["radlab.target"]
        assert "WantedBy=radlab.target" in unit and "Restart=always" in unit
        assert f'ExecStart="{sys.executable}" -P -m hub_config.machine.serve {name}' in unit


@pytest.mark.parametrize("name", NAMES)
def test_each_unit_is_hardened(settings: Settings, name: str) -> None:
    unit = units(settings)[f"radlab-{name}.service"]
    for line in ("NoNewPrivileges=yes", "ProtectSystem=strict", "PrivateTmp=yes"):
        assert line in unit.splitlines()
    assert ("User=root" in unit) == (name == "keeper")
    if name != "keeper":
        assert {"CapabilityBoundingSet=", "PrivateDevices=yes"} <= set(unit.splitlines())
        assert "ProtectKernelLogs=yes" in unit.splitlines()


def test_the_keeper_starts_first_and_may_read_what_was_killed_for_memory(
    settings: Settings,
) -> None:
    made = units(settings)
    lines = made["radlab-keeper.service"].splitlines()
    shut_out = {"ProtectKernelLogs=yes", "ProtectClock=yes", "PrivateDevices=yes"}
    assert shut_out.isdisjoint(lines)
    (bounds,) = [line for line in lines if line.startswith("CapabilityBoundingSet=")]
    needed = {"CAP_SYSLOG", "CAP_NET_ADMIN", "CAP_CHOWN", "CAP_FOWNER"}
    assert needed <= set(bounds.split("=")[1].split())
    (after,) = [one for one in made["radlab-hub.service"].splitlines() if one.startswith("After=")]
    assert "radlab-keeper.service" in after


def test_a_low_port_gives_the_proxy_that_one_right(settings: Settings) -> None:
    settings.port = 443
    made = units(settings)
    assert "AmbientCapabilities=CAP_NET_BIND_SERVICE" in made["radlab-proxy.service"]
    assert "AmbientCapabilities" not in made["radlab-hub.service"]


def test_a_state_folder_with_odd_letters_is_escaped(settings: Settings) -> None:
    settings.state = '/srv/50% "lab"'
    assert '"RADLAB_STATE=/srv/50%% \\"lab\\""' in units(settings)["radlab-hub.service"]


def test_no_unit_holds_a_secret(settings: Settings) -> None:
    secret = settings.make_secret("proxy_token")
    assert not any(secret in text for text in units(settings).values())


def test_down_disables_the_target_and_up_enables_it_though_no_unit_changed(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = tmp_path / "asked"
    program = tmp_path / "bin" / "systemctl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$*" >>{asked}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    folder = tmp_path / "units"
    folder.mkdir()
    supervise = Systemd(settings, folder)
    supervise.retire()
    assert not asked.exists()  # there never was an `up`
    assert supervise.prepare()
    supervise.retire()
    assert not supervise.prepare()
    enable = f"enable {' '.join(units(settings))}"
    disable = "disable --now radlab.target"
    assert asked.read_text().splitlines() == ["daemon-reload", enable, disable, enable]


def test_a_log_is_the_units_journal(settings: Settings) -> None:
    words = Systemd(settings).log("hub", follow=True, lines=9)
    assert words == [
        "journalctl", "--no-pager", "-n", "9", "-u", "radlab-hub.service", "--follow",
    ]  # fmt: skip
