"""How hard the GPUs work, asked of NVIDIA's driver by UUID; simulated ones are not asked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pynvml

_MB = 2**20


@dataclass(frozen=True)
class Load:
    """One GPU now: utilisation as a share of time from 0 to 1, and memory in use."""

    utilisation: float
    memory_mb: int


def read_loads(uuids: Iterable[str], nvml: Any = None) -> dict[str, Load]:
    """The load of each of those GPUs that answers; `nvml` has pynvml's functions."""
    wanted = sorted(set(uuids))
    nvml = pynvml if nvml is None else nvml
    if not wanted:
        return {}
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return {}  # no driver, or one that fails: the round over devices says so
    try:
        found = {uuid: _load(nvml, uuid) for uuid in wanted}
    finally:
        with contextlib.suppress(nvml.NVMLError):
            nvml.nvmlShutdown()
    return {uuid: load for uuid, load in found.items() if load is not None}


def _load(nvml: Any, uuid: str) -> Load | None:
    try:
        handle = nvml.nvmlDeviceGetHandleByUUID(uuid)
        share = nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
        return Load(share, nvml.nvmlDeviceGetMemoryInfo(handle).used // _MB)
    except nvml.NVMLError:
        return None
