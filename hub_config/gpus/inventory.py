"""Which GPUs this machine has: asked of NVIDIA's driver, or simulated where there is none.

The driver is asked through NVML. Simulated GPUs drive every flow on a machine without one, have
UUIDs that no real device has (`SIM-<instance>-0`, the same at every start), and are marked wherever
they appear. On a machine with real GPUs they are refused: of two kinds side by side a student
could not tell which they got.
"""

from __future__ import annotations

import logging
from typing import Any

import pynvml

from hub_config.gpus import refusals
from hub_config.gpus.model import Device, Unusable
from hub_config.settings import Settings

log = logging.getLogger(__name__)

_MB = 2**20


def find_devices(settings: Settings, nvml: Any = None) -> list[Device]:
    """All devices of this machine, by index; [] where it has neither driver nor simulation.

    `nvml` has pynvml's functions. Raises DriverBroken where the driver is there and does not
    answer, and RealAndSimulated. Where devices are simulated a broken driver counts as none.
    """
    nvml = pynvml if nvml is None else nvml
    if not settings.simulate_gpus:
        return real_devices(nvml)
    try:
        real = real_devices(nvml)
    except refusals.DriverBroken as error:
        log.warning("%s GPUs are simulated.", error.message)
        real = []
    if real:
        raise refusals.real_and_simulated(len(real), settings.simulate_gpus)
    return simulated_devices(settings)


def simulated_devices(settings: Settings) -> list[Device]:
    """What the setting `simulate_gpus` (COUNTxGIGABYTES) describes."""
    count, gigabytes = map(int, settings.simulate_gpus.split("x"))
    return [
        Device(
            uuid=f"SIM-{settings.instance}-{index}",
            index=index,
            model=f"Simulated GPU {gigabytes} GB",
            memory_mb=gigabytes * 1024,
            simulated=True,
        )
        for index in range(count)
    ]


def real_devices(nvml: Any) -> list[Device]:
    """What NVML lists; [] without a driver; DriverBroken where it fails."""
    none_here = (nvml.NVML_ERROR_LIBRARY_NOT_FOUND, nvml.NVML_ERROR_DRIVER_NOT_LOADED)
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        if error.value in none_here:
            return []
        raise refusals.driver_broken(str(error)) from error
    try:
        count = nvml.nvmlDeviceGetCount()
        devices = [_device(nvml, index) for index in range(count)]
    except nvml.NVMLError as error:
        raise refusals.driver_broken(str(error)) from error
    finally:
        nvml.nvmlShutdown()
    return [device for device in devices if device is not None]


def _device(nvml: Any, index: int) -> Device | None:
    """The device at `index`, or None where it fell off the bus: it is gone then."""
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        return Device(
            uuid=_text(nvml.nvmlDeviceGetUUID(handle)),
            index=index,
            model=_text(nvml.nvmlDeviceGetName(handle)),
            memory_mb=nvml.nvmlDeviceGetMemoryInfo(handle).total // _MB,
            unusable=Unusable.MIG if _has_mig(nvml, handle) else None,
        )
    except nvml.NVMLError as error:
        log.warning("GPU %d does not answer: %s", index, error)
        return None


def _has_mig(nvml: Any, handle: Any) -> bool:
    try:
        current, _pending = nvml.nvmlDeviceGetMigMode(handle)
    except nvml.NVMLError:
        return False  # most cards cannot do MIG, and say so by an error
    return bool(current == nvml.NVML_DEVICE_MIG_ENABLE)


def _text(value: str | bytes) -> str:
    """NVML's text, which older bindings give as bytes."""
    return value.decode() if isinstance(value, bytes) else value
