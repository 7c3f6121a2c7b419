"""What this container may use, and which of a module's budgets fits into it.

The limits are the control group's (version 2, then 1), not the machine's. A profile is a name of
`budgets` in `module.yaml`: `class` on processors, `gpu_short` and `gpu_medium` where the card has
the memory they ask for, `ci` in the tests. RADLAB_PROFILE chooses one by name.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course_kit.errors import UnknownName
from course_kit.texts import say

CLASS = "class"
GROUPS = Path("/sys/fs/cgroup")
_GIB = 2**30


@dataclass(frozen=True)
class Desk:
    """Cores and memory (GB = 2^30 bytes) of the container, the device to train on, the profile."""

    cores: float
    memory_gb: float
    device: str
    card: str
    card_gb: float
    profile: str
    simulated: bool

    def lines(self) -> list[str]:
        """What a person is told, a line a fact."""
        told = [
            say("desk_cores", cores=f"{self.cores:g}"),
            say("desk_memory", memory=f"{self.memory_gb:.1f}"),
        ]
        if self.device == "cuda":
            told.append(say("desk_card", card=self.card, memory=f"{self.card_gb:.0f}"))
        else:
            told.append(say("desk_simulated" if self.simulated else "desk_no_card"))
        return told


def read_desk(budgets: Mapping[str, Any], *, groups: Path = GROUPS) -> Desk:
    """The desk as it is now, and the profile of `budgets` that fits into it."""
    cores, memory = allowed_cores(groups), allowed_memory_gb(groups)
    device, card, card_gb = _card()
    simulated = os.environ.get("RADLAB_GPUS_SIMULATED") == "1"
    profile = choose_profile(budgets, card_gb, os.environ.get("RADLAB_PROFILE", ""))
    return Desk(cores, memory, device, card, card_gb, profile, simulated)


def choose_profile(budgets: Mapping[str, Any], card_gb: float, forced: str = "") -> str:
    """The largest budget that the card's memory serves, else `class`; UnknownName where forced."""
    if forced:
        if forced not in {CLASS, *budgets}:
            raise UnknownName("profile", forced, [CLASS, *budgets])
        return forced
    served = [
        (float(budget["gpu_memory_gb"]), name)
        for name, budget in budgets.items()
        if budget.get("gpu_memory_gb") and float(budget["gpu_memory_gb"]) <= card_gb
    ]
    return max(served)[1] if served else CLASS


def apply_budget(
    names: MutableMapping[str, Any], budgets: Mapping[str, Any], profile: str
) -> dict[str, Any]:
    """Set the profile's values of the notebook's parameters; what was set, by name.

    A name that no longer has the value of the `class` budget was changed by a person: left alone.
    """
    wanted = dict(budgets.get(profile, {}).get("set") or {})
    usual = dict(budgets.get(CLASS, {}).get("set") or {})
    done = {}
    for name, value in wanted.items():
        untouched = name in names and (name not in usual or names[name] == usual[name])
        if untouched and names[name] != value:
            names[name] = done[name] = value
    return done


def allowed_cores(groups: Path = GROUPS) -> float:
    """Processors that the control group and the affinity allow."""
    cores = float(len(os.sched_getaffinity(0)))
    words = _limit(groups, "cpu.max", "cpu/cpu.cfs_quota_us", "cpu,cpuacct/cpu.cfs_quota_us")
    period = words[1:] or _limit(groups, "cpu/cpu.cfs_period_us", "cpu,cpuacct/cpu.cfs_period_us")
    if words[0] in ("max", "-1") or period[0] == "max":
        return cores
    return min(cores, int(words[0]) / int(period[0]))


def allowed_memory_gb(groups: Path = GROUPS) -> float:
    """Memory that the control group allows, at most the machine's, in units of 2^30 bytes."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    word = _limit(groups, "memory.max", "memory/memory.limit_in_bytes")[0]
    return min(machine, machine if word == "max" else int(word)) / _GIB


def used_memory_gb(groups: Path = GROUPS) -> float:
    """Memory that this container holds now, without what it could give back (file pages)."""
    used = _limit(groups, "memory.current", "memory/memory.usage_in_bytes")[0]
    if used == "max":
        return 0.0
    for name in ("memory.stat", "memory/memory.stat"):
        path = groups / name
        if path.exists():
            rows = dict(line.split() for line in path.read_text().splitlines())
            cached = int(rows.get("inactive_file", rows.get("total_inactive_file", 0)))
            return max(0, int(used) - cached) / _GIB
    return int(used) / _GIB


def set_threads(cores: float) -> None:
    """Let torch start as many threads as there are processors, where torch is loaded or loads."""
    if importlib.util.find_spec("torch") is not None:
        import torch

        torch.set_num_threads(max(1, int(cores)))


def _card() -> tuple[str, str, float]:
    if importlib.util.find_spec("torch") is None:
        return "cpu", "", 0.0
    import torch

    if not torch.cuda.is_available():
        return "cpu", "", 0.0
    facts = torch.cuda.get_device_properties(0)
    return "cuda", str(facts.name), facts.total_memory / _GIB


def _limit(groups: Path, *names: str) -> list[str]:
    """The words of the first of these files that can be read; `max` where there is none."""
    for name in names:
        try:
            return (groups / name).read_text().split()
        except OSError:
            continue
    return ["max"]
