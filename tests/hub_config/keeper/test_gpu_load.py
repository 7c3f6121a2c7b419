"""The load of GPUs, asked of a stand-in for NVIDIA's driver."""

from __future__ import annotations

from types import SimpleNamespace

import pynvml

from hub_config.keeper.gpu_load import Load, read_loads


class FakeNvml:
    """A driver with one card at work; every other UUID is unknown to it."""

    NVMLError = pynvml.NVMLError

    def __init__(self, broken: bool = False) -> None:
        self.broken = broken
        self.open = 0

    def nvmlInit(self) -> None:
        if self.broken:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)
        self.open += 1

    def nvmlShutdown(self) -> None:
        self.open -= 1

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        if uuid != "GPU-1":
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return uuid

    def nvmlDeviceGetUtilizationRates(self, handle: str) -> SimpleNamespace:
        return SimpleNamespace(gpu=37, memory=12)

    def nvmlDeviceGetMemoryInfo(self, handle: str) -> SimpleNamespace:
        return SimpleNamespace(used=3 * 2**30)


def test_the_fake_answers_only_what_pynvml_has() -> None:
    names = [name for name in vars(FakeNvml) if name.startswith("nvml")]
    assert names and [name for name in names if not hasattr(pynvml, name)] == []


def test_each_card_that_answers_has_a_load() -> None:
    nvml = FakeNvml()
    assert read_loads(["GPU-1", "GPU-gone"], nvml) == {"GPU-1": Load(0.37, 3072)}
    assert nvml.open == 0


def test_no_card_is_no_question() -> None:
    assert read_loads([], FakeNvml(broken=True)) == {}


def test_without_a_driver_nothing_is_known() -> None:
    assert read_loads(["GPU-1"], FakeNvml(broken=True)) == {}
