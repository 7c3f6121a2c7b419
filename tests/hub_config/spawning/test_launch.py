"""The launch page offers what can be started, in which sizes, and says why a button is closed."""

from __future__ import annotations

import pytest
from spawning_support import LATER, MODULE, image, in_line, reach, sizes

from hub_config.gpus.model import DeviceRow, Free
from hub_config.offers.host import Host
from hub_config.offers.images import Images
from hub_config.offers.modules import Module, Modules
from hub_config.offers.sizes import Sizes
from hub_config.spawning.fitting import Closed
from hub_config.spawning.launch import Hours, Mine, build_launch, gpu_kinds
from hub_config.usage.model import Bounds, Limits

IMAGES = Images([image("tiny:1"), image("bare:1", id="bare", torch=None)])
NO_SIZES = Sizes([])


def module(**changes) -> Module:
    return Module.model_validate(MODULE | changes)


def row(number: int, **changes) -> DeviceRow:
    facts = {
        "uuid": f"GPU-{number}", "index": number, "model": "NVIDIA L4", "memory_mb": 24576,
        "group": "g", "gone": False, "lease": None,
    }  # fmt: skip
    return DeviceRow(**{**facts, **changes})


def free(enough: bool, total: int, next_free_at=None, largest_mb=24576) -> Free:
    return Free(
        free=total if enough else 0, total=total, enough=enough, next_free_at=next_free_at,
        largest_memory_mb=largest_mb, simulated=False,
    )  # fmt: skip


BUSY = free(False, 2, LATER)


def launch(offered: Module | None = None, found: Free = BUSY, named: Sizes = NO_SIZES, **how):
    """The page where every question for GPUs is answered with `found`."""
    groups, waiting = how.pop("groups", ("g",)), how.pop("waiting", 0)
    modules = Modules([offered] if offered else [])
    who = reach(found, groups=groups, **how)
    return build_launch(modules, IMAGES, named, [], who, in_line(waiting + 1))


def starts(*given, **how):
    return launch(*given, **how).modules[0].starts


def test_a_module_starts_with_a_gpu_and_second_on_the_processor():
    with_gpu, on_cpu = starts(module(), free(True, 2))
    assert (with_gpu.value, with_gpu.now) == ("module/05_classification/gpu", True)
    assert (on_cpu.value, on_cpu.now) == ("module/05_classification/cpu", True)


@pytest.mark.parametrize(
    ("found", "groups", "closed"),
    [
        (free(False, 0, largest_mb=0), (), Closed.NO_GROUP),
        (free(False, 0, largest_mb=0), ("g",), Closed.NONE_ASSIGNED),
        (free(False, 0), ("g",), Closed.SMALL_CARDS),
        (free(False, 1), ("g",), Closed.TOO_FEW),
    ],
)
def test_a_closed_button_has_its_reason_and_the_processor_stays_open(found, groups, closed):
    with_gpu, on_cpu = starts(module(gpus=2), found, groups=groups)
    assert with_gpu.closed == closed and with_gpu.wait is None
    assert on_cpu.now


def test_busy_gpus_close_nothing_they_lead_into_the_line():
    with_gpu, on_cpu = starts(module(), BUSY)
    assert with_gpu.ready and not with_gpu.now
    assert (with_gpu.wait.position, with_gpu.wait.expected_at) == (1, LATER)
    assert on_cpu.now


def test_the_line_is_asked_with_what_the_page_proposes():
    with_gpu, _ = starts(module(gpu_memory_gb=8), BUSY, sizes(), waiting=2)
    assert with_gpu.wait.position == 3
    assert with_gpu.proposed.numbers.gpu_memory_gb == 8


def test_used_up_hours_close_what_has_a_gpu_and_nothing_else():
    with_gpu, on_cpu = starts(module(), free(True, 2), sizes(), hours_used=True)
    assert with_gpu.closed == Closed.HOURS and on_cpu.now
    assert launch(found=BUSY, hours_used=True).environments[0].starts[1].closed == Closed.HOURS


def test_a_module_that_needs_a_gpu_has_no_other_button_than_the_line():
    page = launch(module(cpu_ok=False), BUSY)
    (only,) = page.modules[0].starts
    assert only.wait and page.modules[0].proposed is only


def test_a_module_without_gpus_just_starts():
    (only,) = starts(module(gpus=0, cpu_ok=False), free(False, 0))
    assert only.now and only.gpus == 0


def test_the_page_proposes_what_starts_at_once():
    page = launch(module(), BUSY)
    assert page.modules[0].proposed.value == "module/05_classification/cpu"
    assert page.next_free_at == LATER


@pytest.mark.parametrize("images", [Images([]), Images([image(None)])])
def test_a_module_whose_image_is_missing_cannot_be_started(images):
    page = build_launch(Modules([module()]), images, NO_SIZES, [], reach(free(True, 1)), in_line())
    assert {start.closed for start in page.modules[0].starts} == {Closed.NO_IMAGE}
    assert page.modules[0].proposed is None


def test_an_environment_offers_a_gpu_only_where_it_could_use_one():
    values = [[start.value for start in card.starts] for card in launch().environments]
    assert values == [["image/tiny/0", "image/tiny/1"], ["image/bare/0"]]
    without = launch(found=free(False, 0))
    assert [start.value for start in without.environments[0].starts] == ["image/tiny/0"]


def test_an_image_for_modules_only_is_no_environment():
    images = Images([image("t", offered=False)])
    assert (
        build_launch(Modules([]), images, NO_SIZES, [], reach(BUSY), in_line()).environments == ()
    )


def test_devices_are_counted_by_model_and_memory():
    lent = row(2, memory_mb=81920, model="NVIDIA H100", group="other")
    large, small = gpu_kinds([row(0), row(1), lent])
    assert (large.label, large.total) == ("NVIDIA H100, 80 GB", 1)
    assert (small.label, small.total, small.free) == ("NVIDIA L4, 24 GB", 2, 2)


def offers(start) -> dict[str, object]:
    return {offer.id: offer for offer in start.offers}


def test_beside_each_button_stand_the_sizes_of_its_kind_and_the_labs_own():
    with_gpu, on_cpu = starts(module(), free(True, 2), sizes())
    assert list(offers(with_gpu)) == ["", "gpu", "gpu-large"]
    assert list(offers(on_cpu)) == ["", "small", "medium"]
    assert with_gpu.proposed.size is None and with_gpu.proposed.numbers.gpus == 1


def test_a_size_that_is_just_what_the_lab_asks_for_stands_there_once():
    (only,) = starts(module(gpus=0, cpus=1, memory_gb=2), BUSY, sizes())
    assert list(offers(only)) == ["small", "medium"]
    assert only.proposed.id == "small"


def test_a_size_that_is_too_small_says_what_it_lacks():
    _, on_cpu = starts(module(memory_gb=3), free(True, 2), sizes())
    small, medium = offers(on_cpu)["small"], offers(on_cpu)["medium"]
    assert (small.ready, small.lacks, small.needs.memory_gb) == (False, ("memory_gb",), 3)
    assert medium.ready


def test_a_size_that_no_card_of_the_group_can_serve_cannot_be_chosen():
    def answer(gpus: int, memory_mb: int) -> Free:
        return free(True, 2) if memory_mb <= 24 * 1024 else free(False, 0)

    with_gpu, _ = starts(module(), answer, sizes())
    assert offers(with_gpu)["gpu"].ready
    assert offers(with_gpu)["gpu-large"].closed == Closed.SMALL_CARDS


def test_what_the_lab_asks_of_a_card_is_asked_in_every_size():
    asked = []

    def answer(gpus: int, memory_mb: int) -> Free:
        asked.append((gpus, memory_mb))
        return free(True, 1)

    with_gpu, _ = starts(module(gpu_memory_gb=8), answer, sizes())
    assert offers(with_gpu)["gpu"].numbers.gpu_memory_gb == 8
    assert offers(with_gpu)["gpu-large"].numbers.gpu_memory_gb == 40
    assert {(1, 8 * 1024), (1, 40 * 1024)} <= set(asked)


def test_more_than_the_machine_has_cannot_be_chosen():
    with_gpu, on_cpu = starts(module(), free(True, 2), sizes(), host=Host(1, 4096))
    assert {each.closed for each in with_gpu.offers} == {None, Closed.HOST}
    assert offers(on_cpu)["medium"].closed == Closed.HOST
    assert on_cpu.now


def test_a_lab_that_the_machine_cannot_hold_is_closed():
    both = starts(module(cpus=4), free(True, 2), sizes(), host=Host(2, 4096))
    assert {start.closed for start in both} == {Closed.HOST}


def test_an_environment_too_large_for_the_machine_proposes_the_largest_size_that_is_not():
    page = build_launch(
        Modules([]), Images([image("t", cpus=8)]), sizes(), [],
        reach(BUSY, host=Host(1, 4096)), in_line(),
    )  # fmt: skip
    assert page.environments[0].starts[0].proposed.id == "small"


def test_what_a_quota_never_allows_is_closed():
    bounds = Bounds(person=Limits(memory_mb=4096), groups={})
    _, on_cpu = starts(module(), free(True, 2), sizes(), bounds=bounds)
    assert offers(on_cpu)["small"].ready
    assert offers(on_cpu)["medium"].closed == Closed.QUOTA


def test_a_size_kept_for_other_groups_is_not_shown():
    kept = Sizes([each.model_copy(update={"groups": ["other"]}) for each in sizes()])
    _, on_cpu = starts(module(), free(True, 2), kept)
    assert list(offers(on_cpu)) == [""]


@pytest.mark.parametrize(
    ("used", "limit", "nearly"), [(799, 1000, False), (800, 1000, True), (5000, None, False)]
)
def test_four_fifths_of_the_disk_quota_are_nearly_full(used, limit, nearly):
    assert Mine(home_mb=used, disk_mb=limit).home_nearly_full is nearly


def test_hours_left_are_never_below_none():
    assert Hours(group=None, used=3, limit=10).left == 7
    assert Hours(group="g", used=12, limit=10).left == 0
