"""The launch page offers what can be started, and says why a button is closed."""

from __future__ import annotations

import pytest
from spawning_support import MODULE, image

from hub_config import clock
from hub_config.gpus.model import DeviceRow
from hub_config.gpus.rules import Free, supply
from hub_config.offers.images import Images
from hub_config.offers.modules import Module, Modules
from hub_config.spawning.launch import Closed, build_launch, counts_wanted, gpu_kinds

NOW = clock.from_iso("2026-03-01T09:00:00Z")
LATER = clock.from_iso("2026-03-01T09:40:00Z")
IMAGES = Images([image("tiny:1"), image("bare:1", id="bare", torch=None)])


def module(**changes) -> Module:
    return Module.model_validate(MODULE | changes)


def row(number: int, group: str | None = "g", gone: bool = False) -> DeviceRow:
    return DeviceRow(
        uuid=f"GPU-{number}", index=number, model="NVIDIA L4", memory_mb=24576,
        group=group, gone=gone, lease=None,
    )  # fmt: skip


def free(enough: bool, total: int, next_free_at=None) -> Free:
    return Free(
        free=total if enough else 0, total=total, enough=enough, next_free_at=next_free_at,
        largest_memory_mb=24576, simulated=False,
    )  # fmt: skip


def starts(offered: Module, found: Free, groups=("g",)):
    launch = build_launch(Modules([offered]), IMAGES, [], groups, {1: found, offered.gpus: found})
    return launch.modules[0].starts


def test_a_module_starts_with_a_gpu_and_second_on_the_processor():
    with_gpu, on_cpu = starts(module(), free(True, 2))
    assert (with_gpu.value, with_gpu.ready) == ("module/05_classification/gpu", True)
    assert (on_cpu.value, on_cpu.ready) == ("module/05_classification/cpu", True)


@pytest.mark.parametrize(
    ("found", "groups", "closed"),
    [
        (free(False, 2, LATER), ("g",), Closed.BUSY),
        (free(False, 0), (), Closed.NO_GROUP),
        (free(False, 0), ("g",), Closed.NONE_ASSIGNED),
        (free(False, 1), ("g",), Closed.TOO_FEW),
    ],
)
def test_a_closed_button_has_its_reason_and_the_processor_stays_open(found, groups, closed):
    with_gpu, on_cpu = starts(module(gpus=2), found, groups)
    assert with_gpu.closed == closed
    assert with_gpu.next_free_at == found.next_free_at
    assert on_cpu.ready


def test_a_module_that_needs_a_gpu_has_no_other_button():
    (only,) = starts(module(cpu_ok=False), free(False, 2, LATER))
    assert only.closed == Closed.BUSY


def test_a_module_without_gpus_just_starts():
    (only,) = starts(module(gpus=0, cpu_ok=False), free(False, 0))
    assert only.ready and only.gpus == 0


def test_the_page_proposes_what_is_open():
    supply_ = {1: free(False, 2, LATER)}
    launch = build_launch(Modules([module()]), IMAGES, [], ("g",), supply_)
    assert launch.modules[0].proposed.value == "module/05_classification/cpu"
    assert launch.next_free_at == LATER


@pytest.mark.parametrize("images", [Images([]), Images([image(None)])])
def test_a_module_whose_image_is_missing_cannot_be_started(images):
    launch = build_launch(Modules([module()]), images, [], ("g",), {1: free(True, 1)})
    assert {start.closed for start in launch.modules[0].starts} == {Closed.NO_IMAGE}
    assert launch.modules[0].proposed is None


def test_an_environment_offers_a_gpu_only_where_it_could_use_one():
    launch = build_launch(Modules([]), IMAGES, [], ("g",), {1: free(True, 1)})
    values = [[start.value for start in card.starts] for card in launch.environments]
    assert values == [["image/tiny/0", "image/tiny/1"], ["image/bare/0"]]
    without = build_launch(Modules([]), IMAGES, [], ("g",), {1: free(False, 0)})
    assert [start.value for start in without.environments[0].starts] == ["image/tiny/0"]


def test_an_image_for_modules_only_is_no_environment():
    launch = build_launch(
        Modules([]), Images([image("t", offered=False)]), [], (), {1: free(False, 0)}
    )
    assert launch.environments == ()


def test_gpus_of_other_groups_and_lost_ones_are_not_counted():
    rows = [row(0), row(1, "other"), row(2, gone=True), row(3, None)]
    (kind,) = gpu_kinds(rows, ["g"])
    assert (kind.label, kind.total, kind.free) == ("NVIDIA L4, 24 GB", 1, 1)


def test_what_is_asked_of_the_ledger_covers_every_button():
    assert counts_wanted(Modules([module(gpus=2), module(id="06_more", gpus=0)])) == {1, 2}


def test_the_page_agrees_with_the_ledgers_own_count():
    rows = [row(0), row(1)]
    found = supply(rows, ["g"], 1, 0, NOW)
    launch = build_launch(Modules([module()]), IMAGES, rows, ["g"], {1: found})
    assert (launch.free, launch.total) == (found.free, found.total) == (2, 2)
