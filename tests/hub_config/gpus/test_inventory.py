from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace

import pynvml
import pytest

from hub_config.gpus import refusals
from hub_config.gpus.inventory import find_devices
from hub_config.settings import Settings


@dataclass
class Card:
    uuid: str | bytes
    name: str | bytes = "NVIDIA L4"
    memory: int = 23034 * 2**20
    mig: int | None = None
    lost: bool = False


@dataclass
class FakeNvml:
    """A driver with `cards`, in the words of pynvml; `broken` is what nvmlInit answers."""

    cards: list[Card] = field(default_factory=list)
    broken: int | None = None
    open: int = 0

    NVMLError = pynvml.NVMLError
    NVML_ERROR_LIBRARY_NOT_FOUND = pynvml.NVML_ERROR_LIBRARY_NOT_FOUND
    NVML_ERROR_DRIVER_NOT_LOADED = pynvml.NVML_ERROR_DRIVER_NOT_LOADED
    NVML_DEVICE_MIG_ENABLE = pynvml.NVML_DEVICE_MIG_ENABLE

    def nvmlInit(self) -> None:
        if self.broken is not None:
            raise pynvml.NVMLError(self.broken)
        self.open += 1

    def nvmlShutdown(self) -> None:
        self.open -= 1

    def nvmlDeviceGetCount(self) -> int:
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Card:
        if self.cards[index].lost:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        return self.cards[index]

    def nvmlDeviceGetUUID(self, card: Card) -> str | bytes:
        return card.uuid

    def nvmlDeviceGetName(self, card: Card) -> str | bytes:
        return card.name

    def nvmlDeviceGetMemoryInfo(self, card: Card) -> SimpleNamespace:
        return SimpleNamespace(total=card.memory)

    def nvmlDeviceGetMigMode(self, card: Card) -> tuple[int, int]:
        if card.mig is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return card.mig, card.mig


NO_DRIVER = FakeNvml(broken=pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)


def test_the_fake_answers_only_what_pynvml_has() -> None:
    names = [name for name in vars(FakeNvml) if name.startswith(("nvml", "NVML"))]
    assert [name for name in names if not hasattr(pynvml, name)] == []


def test_what_the_driver_lists_is_found(settings: Settings) -> None:
    nvml = FakeNvml([Card("GPU-1"), Card(b"GPU-2", b"NVIDIA A100", 80 * 2**30, mig=0)])
    first, second = find_devices(settings, nvml)
    assert (first.uuid, first.index, first.model, first.memory_mb) == (
        "GPU-1", 0, "NVIDIA L4", 23034,
    )  # fmt: skip
    assert (second.uuid, second.index, second.model) == ("GPU-2", 1, "NVIDIA A100")
    assert not first.simulated
    assert (first.unusable, second.unusable) == (None, None)
    assert nvml.open == 0


def test_a_card_in_mig_mode_is_listed_as_unusable(settings: Settings) -> None:
    [device] = find_devices(settings, FakeNvml([Card("GPU-1", mig=1)]))
    assert device.unusable == "mig"


def test_a_card_that_fell_off_the_bus_is_not_found_and_the_others_keep_their_index(
    settings: Settings,
) -> None:
    nvml = FakeNvml([Card("GPU-1", lost=True), Card("GPU-2")])
    assert [(d.uuid, d.index) for d in find_devices(settings, nvml)] == [("GPU-2", 1)]
    assert nvml.open == 0


@pytest.mark.parametrize(
    "reason", [pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED]
)
def test_a_machine_without_a_driver_has_none(settings: Settings, reason: int) -> None:
    assert find_devices(settings, FakeNvml(broken=reason)) == []


def test_a_driver_that_does_not_answer_is_said_and_not_taken_for_none(settings: Settings) -> None:
    nvml = FakeNvml(broken=pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH)
    with pytest.raises(refusals.DriverBroken, match=r"(?i)mismatch.*nvidia-smi"):
        find_devices(settings, nvml)


def test_simulated_devices_are_marked_and_the_same_each_time(settings: Settings) -> None:
    settings.simulate_gpus = "4x24"
    settings.instance = "lab2"
    found = find_devices(settings, NO_DRIVER)
    assert [d.uuid for d in found] == [f"SIM-lab2-{i}" for i in range(4)]
    assert {d.memory_mb for d in found} == {24576}
    assert all(d.simulated for d in found)
    assert find_devices(settings, NO_DRIVER) == found


def test_simulating_beside_real_ones_is_refused(settings: Settings) -> None:
    settings.simulate_gpus = "4x24"
    with pytest.raises(refusals.RealAndSimulated, match=r"1 real GPU.*4x24"):
        find_devices(settings, FakeNvml([Card("GPU-1")]))


@pytest.mark.parametrize(
    "nvml",
    [FakeNvml(), FakeNvml(broken=pynvml.NVML_ERROR_UNKNOWN)],
    ids=["driver without cards", "broken driver"],
)
def test_simulating_works_where_a_driver_has_no_card_to_give(
    settings: Settings, nvml: FakeNvml
) -> None:
    settings.simulate_gpus = "1x8"
    assert len(find_devices(settings, nvml)) == 1


def test_without_a_fake_this_machine_is_asked(settings: Settings) -> None:
    shown: Callable[[], int] = pynvml.nvmlDeviceGetCount
    try:
        pynvml.nvmlInit()
        count = shown()
        pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        count = 0
    assert len(find_devices(settings)) == count
