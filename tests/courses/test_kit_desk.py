"""The desk tells the container's limits, not the machine's, and picks the budget that fits."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from course_kit.desk import (
    Desk,
    allowed_cores,
    allowed_memory_gb,
    apply_budget,
    choose_profile,
    read_desk,
    used_memory_gb,
)
from course_kit.errors import UnknownName

BUDGETS: dict[str, Any] = {
    "class": {"seconds": 180, "set": {"epochs": 40, "size": 64}},
    "ci": {"seconds": 60, "set": {"epochs": 3}},
    "gpu_short": {"seconds": 60, "gpu_memory_gb": 8, "set": {"epochs": 60}},
    "gpu_medium": {"seconds": 600, "gpu_memory_gb": 24, "set": {"epochs": 200}},
}
GIB = 2**30


def groups(folder: Path, **files: str) -> Path:
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("DOT", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def test_the_limits_of_the_control_group_count(tmp_path: Path) -> None:
    there = groups(tmp_path, cpuDOTmax="50000 100000\n", memoryDOTmax=f"{GIB // 4}\n")
    assert allowed_cores(there) == 0.5
    assert allowed_memory_gb(there) == 0.25


def test_the_limits_of_an_older_control_group_count(tmp_path: Path) -> None:
    there = groups(
        tmp_path,
        cpu__cpuDOTcfs_quota_us="50000",
        cpu__cpuDOTcfs_period_us="100000",
        memory__memoryDOTlimit_in_bytes=str(GIB // 4),
    )
    assert allowed_cores(there) == 0.5
    assert allowed_memory_gb(there) == 0.25


@pytest.mark.parametrize("files", [{}, {"cpuDOTmax": "max 100000", "memoryDOTmax": "max"}])
def test_without_a_limit_the_machine_is_the_limit(tmp_path: Path, files: dict[str, str]) -> None:
    there = groups(tmp_path, **files)
    assert allowed_cores(there) == len(os.sched_getaffinity(0))
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert allowed_memory_gb(there) == pages / GIB


def test_an_old_group_without_a_quota_is_no_limit(tmp_path: Path) -> None:
    there = groups(tmp_path, cpu__cpuDOTcfs_quota_us="-1", cpu__cpuDOTcfs_period_us="100000")
    assert allowed_cores(there) == len(os.sched_getaffinity(0))


def test_used_memory_leaves_out_what_can_be_given_back(tmp_path: Path) -> None:
    there = groups(
        tmp_path,
        memoryDOTcurrent=str(3 * GIB),
        memoryDOTstat=f"anon {GIB}\ninactive_file {2 * GIB}\n",
    )
    assert used_memory_gb(there) == 1.0
    assert used_memory_gb(tmp_path / "nowhere") == 0.0


@pytest.mark.parametrize(
    ("card_gb", "profile"),
    [(0, "class"), (4, "class"), (8, "gpu_short"), (23.9, "gpu_short"), (24, "gpu_medium")],
)
def test_the_largest_budget_that_the_card_serves_is_chosen(card_gb: float, profile: str) -> None:
    assert choose_profile(BUDGETS, card_gb) == profile


def test_a_forced_profile_must_be_one_of_the_budgets() -> None:
    assert choose_profile(BUDGETS, 24, "ci") == "ci"
    assert choose_profile({}, 0, "class") == "class"
    with pytest.raises(UnknownName, match="Did you mean 'gpu_short'"):
        choose_profile(BUDGETS, 24, "gpu_shor")


def test_the_environment_forces_a_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADLAB_PROFILE", "ci")
    monkeypatch.setenv("RADLAB_GPUS_SIMULATED", "1")
    desk = read_desk(BUDGETS, groups=tmp_path)
    assert (desk.profile, desk.simulated) == ("ci", True)


def test_a_budget_sets_what_nobody_has_changed() -> None:
    names: dict[str, Any] = {"epochs": 40, "size": 64}
    assert apply_budget(names, BUDGETS, "gpu_short") == {"epochs": 60}
    assert names == {"epochs": 60, "size": 64}


def test_what_a_student_changed_is_left_alone() -> None:
    names: dict[str, Any] = {"epochs": 10}
    assert apply_budget(names, BUDGETS, "ci") == {}
    assert names == {"epochs": 10}


def test_a_parameter_that_the_notebook_has_not_is_not_made() -> None:
    names: dict[str, Any] = {}
    assert apply_budget(names, BUDGETS, "ci") == {}
    assert names == {}


def test_the_usual_profile_changes_nothing() -> None:
    names: dict[str, Any] = {"epochs": 40, "size": 64}
    assert apply_budget(names, BUDGETS, "class") == {}


@pytest.mark.parametrize(
    ("device", "simulated", "says"),
    [
        ("cuda", False, "graphics card: H (24 GB)"),
        ("cpu", True, "a simulated one"),
        ("cpu", False, "no graphics card"),
    ],
)
def test_the_desk_says_what_is_trained_on(device: str, simulated: bool, says: str) -> None:
    desk = Desk(2, 3, device, "H", 24, "class", simulated)
    assert desk.lines()[0].split() == ["Processor", "2", "cores"]
    assert says in desk.lines()[-1]
