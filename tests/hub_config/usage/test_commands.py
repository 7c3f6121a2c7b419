"""`./radlab quota` and `./radlab usage` on a RadLab in a folder of its own."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from hub_config import clock
from hub_config.cli.__main__ import main
from hub_config.db import migrate, open_database
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.model import Device, Ended, LeaseRequest
from hub_config.gpus.store import DeviceStore
from hub_config.groups.store import GroupStore
from hub_config.settings import Settings
from hub_config.usage.model import Kind, Limits
from hub_config.usage.store import QuotaStore

Radlab = Callable[..., tuple[int, str]]


@pytest.fixture
def site(settings: Settings, noon: datetime, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """A RadLab whose only GPU Sam of radiology had for an hour, two hours ago."""
    monkeypatch.setattr(clock, "now", lambda: noon + timedelta(hours=2))
    engine = open_database(settings.radlab_database_url)
    migrate(engine)
    GroupStore(engine).create("radiology", by="ada")
    devices, ledger = DeviceStore(engine), Ledger(engine)
    devices.record([Device("GPU-1", 0, "Card", 24576)], noon)
    devices.assign("0", "radiology", "ada")
    lease = ledger.grant(
        LeaseRequest(
            username="sam", groups=("radiology",), gpu_count=1, cpus=2, memory_mb=8192,
            minutes=60, image="i", size="large",
        ),
        noon,
    )  # fmt: skip
    ledger.started(lease.id, "c0ffee", noon)
    ledger.release(lease.id, Ended.TIME_UP, noon + timedelta(hours=1))
    return ledger


@pytest.fixture
def radlab(
    settings: Settings,
    site: Ledger,
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


def test_a_quota_is_set_shown_changed_and_removed(radlab: Radlab, site: Ledger) -> None:
    words = ("--group", "radiology", "--gpus", "4", "--memory-gb", "64.3", "--disk-gb", "20")
    status, printed = radlab("quota", "set", *words)
    assert status == 0
    assert "gpus 4, memory-gb 64.3, disk-gb 20" in printed
    radlab("quota", "set", "-g", "radiology", "--gpus", "none", "--minutes", "90")
    kept = QuotaStore(site.engine).get(Kind.GROUP, "radiology").limits
    assert kept == Limits(memory_mb=65843, disk_mb=20480, minutes=90)
    assert "radiology" in radlab("quota", "show")[1]
    [shown] = json.loads(radlab("quota", "show", "--json", "--group", "radiology")[1])
    assert shown["limits"]["minutes"] == 90
    assert radlab("quota", "remove", "--group", "radiology")[0] == 0
    assert "No quota is set" in radlab("quota", "show")[1]


def test_a_quota_below_what_is_in_use_says_what_is_over(radlab: Radlab) -> None:
    words = ("--person", "sam", "--gpu-hours", "0.5")
    status, printed = radlab("quota", "set", *words)
    assert status == 0
    assert "In use is more: gpu-hours 1 of 0.5." in printed
    assert radlab("quota", "show")[1].splitlines()[1].endswith("gpu-hours 1  over")
    [shown] = json.loads(radlab("quota", "show", "--json")[1])
    over = {"what": "gpu_hours_week", "limit": 0.5, "used": 1.0, "username": None}
    assert shown["over"] == [over]


@pytest.mark.parametrize(
    ("option", "value"),
    [("--gpus", "-1"), ("--gpus", "nan"), ("--minutes", "1e9"), ("--disk-gb", "-0.1"),
     ("--memory-gb", "inf"), ("--gpus", "2.5")],
)  # fmt: skip
def test_an_absurd_limit_is_refused_with_what_is_allowed(
    radlab: Radlab, site: Ledger, option: str, value: str
) -> None:
    status, printed = radlab("quota", "set", "-g", "radiology", option, value, "--json")
    error = json.loads(printed)["error"]
    assert (status, error["code"]) == (1, "bad_limit")
    assert len(error["allowed"]) == 2
    assert QuotaStore(site.engine).all() == []


@pytest.mark.parametrize(
    "words",
    [
        ("set", "--gpus", "1"),
        ("set", "--gpus", "1", "--group", "radiology", "--person", "sam"),
        ("set", "--group", "radiology"),
        ("set", "--group", "radiology", "--gpus", "many"),
        ("remove",),
    ],
)
def test_words_that_make_no_quota_are_refused(
    radlab: Radlab, site: Ledger, words: tuple[str, ...]
) -> None:
    assert radlab("quota", *words)[0] == 2
    assert QuotaStore(site.engine).all() == []


def test_a_quota_of_an_unknown_group_names_the_nearest(radlab: Radlab) -> None:
    status, printed = radlab("quota", "set", "--group", "radiolgy", "--gpus", "1")
    assert status == 1
    assert "Did you mean 'radiology'?" in printed


@pytest.mark.parametrize("verb", ["show", "remove"])
def test_a_person_without_a_quota_is_named_with_the_nearest_who_has_one(
    radlab: Radlab, verb: str
) -> None:
    radlab("quota", "set", "--person", "sam", "--gpus", "1")
    radlab("quota", "set", "--group", "radiology", "--gpus", "2")
    status, printed = radlab("quota", verb, "--person", "samm")
    assert status == 1
    assert "No quota is set for the person 'samm'. Did you mean 'sam'?" in printed
    assert "Did you mean" not in radlab("quota", verb, "--person", "radiolog")[1]


def test_a_group_that_is_removed_leaves_no_quota(radlab: Radlab, site: Ledger) -> None:
    radlab("group", "create", "typo")
    radlab("quota", "set", "--group", "typo", "--gpus", "1")
    radlab("quota", "set", "--group", "radiology", "--gpus", "2")
    assert radlab("group", "remove", "typo")[0] == 0
    assert radlab("group", "remove", "radiology")[0] == 1
    assert [quota.name for quota in QuotaStore(site.engine).all()] == ["radiology"]


def test_usage_says_who_used_what_and_why_it_ended(radlab: Radlab) -> None:
    status, printed = radlab("usage", "--since", "1d")
    head, line, total = printed.splitlines()
    assert status == 0
    assert head.split()[:3] == ["USER", "GROUP", "GPUS"]
    for part in ("sam", "radiology", "GPU-1", "large", " 60 ", "its time was up"):
        assert part in line
    assert total == "1 session(s), 1.0 GPU-hours."


def test_usage_is_printed_as_json_and_csv_with_all_columns(radlab: Radlab) -> None:
    [record] = json.loads(radlab("usage", "--json")[1])
    [row] = csv.DictReader(io.StringIO(radlab("usage", "--csv")[1]))
    assert set(record) == set(row)
    assert (record["why_ended"], row["why_ended"]) == ("time_up", "time_up")
    assert record["gpu_hours"] == float(row["gpu_hours"]) == 1.0


def test_usage_is_chosen_by_person_group_and_time(radlab: Radlab) -> None:
    for words in (("-u", "eve"), ("-g", "oncology"), ("--since", "1h"), ("--until", "1d")):
        assert json.loads(radlab("usage", "--json", *words)[1]) == []
    assert len(json.loads(radlab("usage", "--json", "-u", "sam", "-g", "radiology")[1])) == 1
    assert "Nobody used anything" in radlab("usage", "-u", "eve")[1]


def test_usage_refuses_two_formats_and_a_time_that_is_none(radlab: Radlab) -> None:
    assert radlab("usage", "--json", "--csv")[0] == 2
    status, printed = radlab("usage", "--since", "yesterday", "--json")
    assert (status, json.loads(printed)["error"]["code"]) == (1, "bad_moment")
