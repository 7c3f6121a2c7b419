from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from hub_config import clock
from hub_config.cli.__main__ import main
from hub_config.db import migrate, open_database
from hub_config.gpus.inventory import simulated_devices
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.model import LeaseRequest
from hub_config.gpus.store import DeviceStore
from hub_config.groups.store import GroupStore
from hub_config.settings import Settings

Radlab = Callable[..., tuple[int, str]]
Ask = Callable[..., LeaseRequest]


@pytest.fixture
def site_devices(settings: Settings) -> DeviceStore:
    """A RadLab with two simulated GPUs and the group radiology."""
    engine = open_database(settings.radlab_database_url)
    migrate(engine)
    settings.simulate_gpus = "2x24"
    store = DeviceStore(engine)
    store.record(simulated_devices(settings), clock.now())
    GroupStore(engine).create("radiology", by="ada")
    return store


@pytest.fixture
def radlab(
    settings: Settings,
    site_devices: DeviceStore,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Radlab:
    """Runs a command on that RadLab; gives its exit status and all that it printed."""
    monkeypatch.setenv("RADLAB_STATE", settings.state)

    def run(*words: str) -> tuple[int, str]:
        status = main(list(words))
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return run


def test_the_list_says_who_holds_what_since_when_and_until_when(
    radlab: Radlab, site_devices: DeviceStore, request_for: Ask
) -> None:
    radlab("gpu", "assign", "0", "--group", "radiology")
    lease = Ledger(site_devices.engine).grant(request_for(), clock.now())
    status, printed = radlab("gpu", "list")
    header, first, second = printed.strip().splitlines()
    assert status == 0
    assert header.split()[:4] == ["INDEX", "UUID", "MODEL", "GB"]
    for part in (
        "SIM-radlab-0",
        "radiology",
        "sam",
        f"{lease.ends_at:%Y-%m-%d %H:%M}",
        "simulated",
    ):
        assert part in first
    assert "nobody" in second
    shown = json.loads(radlab("gpu", "list", "--json")[1])
    assert shown[0]["lease"]["username"] == "sam"
    assert shown[0]["lease"]["since"] == clock.to_iso(lease.granted_at)
    assert shown[0]["lease"]["until"] == clock.to_iso(lease.ends_at)
    assert shown[1]["lease"] is None


def test_a_gpu_is_given_and_taken(radlab: Radlab, site_devices: DeviceStore) -> None:
    status, printed = radlab("gpu", "assign", "sim-radlab-1", "-g", "radiology", "--json")
    assert (status, json.loads(printed)["group"]) == (0, "radiology")
    assert "belongs to nobody" in radlab("gpu", "assign", "1", "--nobody")[1]
    assert [row.group for row in site_devices.all()] == [None, None]


def test_taking_a_gpu_in_use_says_that_the_session_runs_on(
    radlab: Radlab, site_devices: DeviceStore, request_for: Ask
) -> None:
    radlab("gpu", "assign", "0", "--group", "radiology")
    lease = Ledger(site_devices.engine).grant(request_for(), clock.now())
    printed = radlab("gpu", "assign", "0", "--nobody")[1]
    assert f"sam's session on it runs on, until {lease.ends_at:%Y-%m-%d %H:%M} UTC" in printed
    assert site_devices.all()[0].lease == lease


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (("SIM-radlab-7", "--group", "radiology"), "unknown_device", "Did you mean 'SIM-radlab-"),
        (("0", "--group", "radiologie"), "unknown_group", "Did you mean 'radiology'"),
        (("SIM", "--group", "radiology"), "ambiguous_device", "2 GPUs match"),
    ],
)
def test_a_wrong_word_names_the_nearest_and_changes_nothing(
    radlab: Radlab, site_devices: DeviceStore, words: tuple[str, ...], code: str, hint: str
) -> None:
    status, printed = radlab("gpu", "assign", *words, "--json")
    error = json.loads(printed)["error"]
    assert (status, error["code"]) == (1, code)
    assert hint in error["message"]
    assert hint in radlab("gpu", "assign", *words)[1]
    assert [row.group for row in site_devices.all()] == [None, None]


@pytest.mark.parametrize(
    "words", [(), ("--group", "radiology", "--nobody"), ("--pool", "--nobody")]
)
def test_assigning_wants_a_group_or_the_pool_or_nobody(
    radlab: Radlab, words: tuple[str, ...]
) -> None:
    status, printed = radlab("gpu", "assign", "0", *words)
    assert status == 2
    assert "one of --group NAME, --pool and --nobody" in printed


def test_a_gpu_of_the_pool_is_listed_as_such(radlab: Radlab, site_devices: DeviceStore) -> None:
    assert "every group may use it" in radlab("gpu", "assign", "0", "--pool")[1]
    assert [row.pool for row in site_devices.all()] == [True, False]
    printed = radlab("gpu", "list")[1].splitlines()[1]
    assert "the pool" in printed
    assert "free" in printed


def test_a_gpu_is_drained_and_granted_again(
    radlab: Radlab, site_devices: DeviceStore, request_for: Ask
) -> None:
    radlab("gpu", "assign", "0", "--group", "radiology")
    lease = Ledger(site_devices.engine).grant(request_for(), clock.now())
    printed = radlab("gpu", "drain", "0")[1]
    assert "granted to nobody new" in printed
    assert f"sam's session on it runs on, until {lease.ends_at:%Y-%m-%d %H:%M} UTC" in printed
    assert "draining" in radlab("gpu", "list")[1]
    status, printed = radlab("gpu", "drain", "0", "--off", "--json")
    assert (status, json.loads(printed)["draining"]) == (0, False)
    assert [row.draining for row in site_devices.all()] == [False, False]


def test_draining_a_wrong_gpu_names_the_nearest(radlab: Radlab) -> None:
    status, printed = radlab("gpu", "drain", "SIM-radlab-7")
    assert status == 1
    assert "Did you mean 'SIM-radlab-" in printed


def test_scanning_finds_what_is_there_now(
    radlab: Radlab, monkeypatch: pytest.MonkeyPatch, site_devices: DeviceStore
) -> None:
    monkeypatch.setattr("hub_config.cli.gpu.find_devices", lambda _settings: [])
    assert "0 GPU(s) here, 2 gone" in radlab("gpu", "scan")[1]
    assert all(row.gone for row in site_devices.all())
    assert "gone" in radlab("gpu", "list")[1]


def test_without_gpus_the_list_says_what_to_do(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RADLAB_STATE", settings.state)
    open_database(settings.radlab_database_url).connect().close()
    assert main(["gpu", "list"]) == 0
    assert "--simulate-gpus 4x24" in capsys.readouterr().out
