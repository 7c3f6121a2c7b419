"""`up`'s first steps: settings that are kept, checks that change nothing, one at a time."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
import yaml

from hub_config.machine import install, ports
from hub_config.machine.checks import Check, plain_http, run_checks
from hub_config.machine.install import NotReadyForUp, UpIsRunning, one_at_a_time, save_settings
from hub_config.machine.ports import PortInUse
from hub_config.settings import BadSetting, Settings, load_settings


def kept(settings: Settings) -> dict[str, object]:
    return dict(yaml.safe_load(settings.path("settings.yaml").read_text()))


def test_options_and_environment_are_kept_for_the_services(settings: Settings) -> None:
    environ = {"RADLAB_STATE": settings.state, "RADLAB_WARN_MINUTES": "15"}
    wanted = install.wanted_settings({"port": 8080}, environ)
    assert save_settings(wanted)
    assert kept(settings) == {"port": 8080, "warn_minutes": 15}
    assert load_settings(settings.state, {}).port == 8080


def test_saving_the_same_again_changes_nothing(settings: Settings) -> None:
    environ = {"RADLAB_STATE": settings.state}
    save_settings(install.wanted_settings({"port": 8080}, environ))
    before = settings.path("settings.yaml").stat().st_mtime_ns
    assert not save_settings(install.wanted_settings({}, environ))
    assert not save_settings(install.wanted_settings({"port": 8080}, environ))
    assert settings.path("settings.yaml").stat().st_mtime_ns == before


def test_a_setting_goes_back_to_its_default(settings: Settings) -> None:
    environ = {"RADLAB_STATE": settings.state}
    save_settings(install.wanted_settings({"simulate_gpus": "4x24"}, environ))
    save_settings(install.wanted_settings({"simulate_gpus": ""}, environ))
    assert load_settings(settings.state, {}).simulate_gpus == ""


def test_an_impossible_setting_is_refused_before_anything_is_written(settings: Settings) -> None:
    with pytest.raises(BadSetting, match="COUNTxGIGABYTES"):
        install.wanted_settings({"simulate_gpus": "many"}, {"RADLAB_STATE": settings.state})
    assert not settings.path("settings.yaml").exists()


def test_a_port_in_use_names_port_process_and_flag_and_changes_nothing(settings: Settings) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        settings.port = taken.getsockname()[1]
        with pytest.raises(NotReadyForUp) as refused:
            install.check_first(settings, lambda one: None)
    said = str(refused.value)
    assert f"Port {settings.port} on 0.0.0.0" in said
    assert "(pid " in said and "--port N" in said
    assert not settings.path("settings.yaml").exists()


def test_a_free_port_is_free_and_a_foreign_address_is_not(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free = probe.getsockname()[1]
    ports.require_free("127.0.0.1", free, "--port")
    with pytest.raises(PortInUse, match=r"198\.51\.100\.1"):
        ports.require_free("198.51.100.1", free, "--listen")


def test_no_disk_says_how_much_is_needed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub_config.machine.checks.free_gigabytes", lambda path: 1.5)
    with pytest.raises(NotReadyForUp, match=r"1\.5 GB are free .* needs 12 GB.*10\.5 GB"):
        install.check_first(settings, lambda one: None)


def test_a_second_up_waits_for_the_first_to_end(settings: Settings) -> None:
    with one_at_a_time(settings), pytest.raises(UpIsRunning, match="at work"):  # noqa: SIM117
        with one_at_a_time(settings):
            pass
    with one_at_a_time(settings):
        pass


def test_the_first_refusal_of_parallel_steps_comes_after_all_have_ended() -> None:
    done: list[str] = []

    def fails() -> None:
        raise RuntimeError("no network")

    with pytest.raises(RuntimeError, match="no network"):
        install._together(fails, lambda: done.append("the other"))
    assert done == ["the other"]


def test_a_refusal_within_a_check_is_its_finding(settings: Settings) -> None:
    def subnets(settings: Settings) -> Check:
        raise PortInUse("Taken.", do="Choose another.")

    assert run_checks(settings, [subnets]) == [
        Check("subnets", "wrong", "Taken.", "Choose another.")
    ]


@pytest.mark.parametrize(
    ("setting", "value", "verdict"),
    [
        ("listen", "0.0.0.0", "warning"),
        ("listen", "127.0.0.1", "ok"),
        ("certificate", __file__, "ok"),
        ("trusted_proxy", "192.0.2.9", "ok"),
        ("plain_http_accepted", True, "ok"),
    ],
)
def test_plain_http_warns_unless_something_stands_for_it(
    settings: Settings, setting: str, value: object, verdict: str
) -> None:
    settings.set_trait(setting, value)
    assert plain_http(settings).verdict == verdict


def test_the_proxys_lock_names_no_registry_and_proves_every_package() -> None:
    lock = json.loads((Path(install.__file__).parent / "proxy" / "package-lock.json").read_text())
    packages = {name: one for name, one in lock["packages"].items() if name}
    assert len(packages) > 10
    assert all("integrity" in one and "resolved" not in one for one in packages.values())
