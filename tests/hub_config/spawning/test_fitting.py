"""Before the start: a size that is too small, or that nothing here can serve, is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spawning_support import LATER, MODULE, image, reach, sizes

from hub_config.gpus.model import Free
from hub_config.language import catalog
from hub_config.offers.host import Host
from hub_config.offers.modules import Module
from hub_config.offers.sizes import Sizes, lacking
from hub_config.spawning import fitting, rules

LAB = Module.model_validate(MODULE | {"cpus": 2, "memory_gb": 3, "gpu_memory_gb": 4})
HOST = Host(cpus=8, memory_mb=64 * 1024)


def cards(*gigabytes: int, enough: bool = True):
    """An answer for GPUs of so many GB each; with `enough` False they are busy for now."""

    def answer(gpus: int, memory_mb: int) -> Free:
        serving = [each for each in gigabytes if each * 1024 >= memory_mb]
        could = len(serving) >= gpus
        return Free(
            free=len(serving) if enough else 0, total=len(serving), enough=could and enough,
            next_free_at=LATER if could and not enough else None,
            largest_memory_mb=max(gigabytes, default=0) * 1024, simulated=False,
        )  # fmt: skip

    return answer


def order(module: Module | None = LAB, named: Sizes | None = None, **options) -> rules.Order:
    named = named or sizes()
    options = {"module": module.id, **options} if module else {"image": "tiny", **options}
    choice = rules.read_options(options)
    size = named.size(choice.size) if choice.size else None
    if module:
        return rules.order_module(choice, module, image("t"), size)
    return rules.order_image(choice, image("t"), size)


def check(asked: rules.Order, answer=None, **how) -> None:
    answer = answer or cards(24)
    fitting.check(asked, sizes(), reach(answer, **{"host": HOST, **how}))


def test_a_size_gives_its_numbers_and_the_lab_its_minutes():
    asked = order(size="gpu")
    assert (asked.cpus, asked.memory_mb, asked.gpus, asked.minutes) == (2, 8192, 1, 45)
    assert asked.gpu_memory_mb == 4096, "the lab's own, as the size takes any card"
    assert order(size="gpu-large").gpu_memory_mb == 40 * 1024


def test_without_a_size_a_lab_and_an_environment_bring_their_own():
    asked = order()
    assert (asked.cpus, asked.memory_mb, asked.gpus, asked.gpu_memory_mb) == (2, 3072, 1, 4096)
    own = order(None)
    assert (own.cpus, own.memory_mb, own.size) == (0.5, 256, None)
    check(asked, cards())


@pytest.mark.parametrize(
    ("options", "gpus"),
    [
        ({"size": "gpu"}, 1),
        ({"size": "medium"}, 0),
        ({"size": "gpu", "gpu": False}, 0),
        ({"gpu": False}, 0),
    ],
)
def test_the_size_says_whether_there_is_a_gpu_where_nothing_else_does(options, gpus):
    assert order(**options).gpus == gpus


def test_an_environment_has_a_gpu_where_its_size_has_one():
    assert order(None, size="gpu").gpus == 1
    assert order(None, size="small").gpus == 0


def test_a_module_without_gpus_holds_none_in_any_size():
    calm = LAB.model_copy(update={"gpus": 0, "gpu_memory_gb": None})
    assert (order(calm, size="gpu").gpus, order(calm, size="gpu").gpu_memory_mb) == (0, 0)


def test_the_lease_is_asked_for_by_size_and_gpu_memory():
    request = rules.lease_request(order(size="gpu-large"), "mei", "", ["g"])
    assert (request.size, request.gpu_memory_mb, request.memory_mb) == ("gpu-large", 40960, 16384)
    assert rules.lease_request(order(), "mei", "", ["g"]).size is None


def test_a_size_too_small_is_refused_with_what_the_lab_needs_and_the_smallest_that_fits():
    with pytest.raises(fitting.SizeTooSmall) as refused:
        check(order(size="small"))
    said = str(refused.value)
    assert "needs 2 CPU cores, 3 GB memory and 45 minutes" in said
    assert "Choose medium, the smallest that fits." in said
    assert refused.value.allowed == ["medium"] and refused.value.status == 422


def test_a_size_without_a_gpu_is_too_small_for_a_lab_that_is_to_have_one():
    with pytest.raises(fitting.SizeTooSmall, match=r"GPUs: 1 \(4 GB each\).*Choose gpu,"):
        check(order(size="medium", gpu=True))
    any_card = LAB.model_copy(update={"gpu_memory_gb": None})
    with pytest.raises(fitting.SizeTooSmall, match=r"minutes and GPUs: 1\. "):
        check(order(any_card, size="medium", gpu=True))


def test_an_environment_with_a_gpu_wants_a_size_with_one():
    with pytest.raises(fitting.SizeTooSmall, match="has no GPU, and one was asked for"):
        check(order(None, size="small", gpus=1))
    check(order(None, size="small"))


def test_a_size_with_smaller_cards_than_the_lab_asks_for_is_too_small():
    large = LAB.model_copy(update={"gpu_memory_gb": 48})
    with pytest.raises(
        fitting.SizeTooSmall, match=r"GPUs: 1 .48 GB each.*Choose gpu, the smallest"
    ):
        check(order(large, size="gpu-large"), cards(80))


def test_where_no_size_fits_the_lab_brings_its_own():
    huge = LAB.model_copy(update={"memory_gb": 32})
    with pytest.raises(fitting.SizeTooSmall, match="Leave the size out"):
        check(order(huge, size="gpu-large"), cards(80))


@pytest.mark.parametrize(
    ("answer", "how", "said"),
    [
        (cards(24), {}, "GPUs with 40 GB; the largest that your groups may use has 24 GB"),
        (cards(), {}, "has a GPU, and none is assigned to your groups"),
        (cards(), {"groups": ()}, "GPUs belong to class groups, and you are in none"),
        (cards(80), {"hours_used": True}, "your GPU hours of this week are used up"),
        (cards(80), {"host": Host(2, 8192)}, "4 CPU cores and 16 GB memory; this server has 2"),
    ],
)
def test_a_size_that_nothing_can_ever_serve_is_refused_at_once(answer, how, said):
    with pytest.raises(fitting.NeverServed) as refused:
        check(order(size="gpu-large"), answer, **how)
    assert said in str(refused.value) and refused.value.status == 404


def test_the_nearest_that_can_be_served_is_named():
    with pytest.raises(fitting.NeverServed, match="Choose gpu, the nearest that can be served"):
        check(order(size="gpu-large"), cards(24))
    with pytest.raises(fitting.NeverServed, match="Choose medium, the nearest"):
        check(order(size="gpu-large"), cards())


def test_without_any_that_can_be_served_the_refusal_says_whom_to_ask():
    strict = LAB.model_copy(update={"cpu_ok": False})
    with pytest.raises(fitting.NeverServed, match="Ask an administrator"):
        check(order(strict, size="gpu-large"), cards())


def test_more_gpus_than_the_group_has_are_never_served():
    two = Sizes([each.model_copy(update={"gpus": 2}) for each in sizes() if each.gpus])
    with pytest.raises(fitting.NeverServed, match="2 GPUs at once; your groups have at most 1"):
        fitting.check(order(named=two, size="gpu"), two, reach(cards(24), host=HOST))


def test_a_busy_card_is_no_reason_to_refuse():
    check(order(size="gpu"), cards(24, enough=False))


def test_a_size_kept_for_others_is_refused():
    kept = Sizes([each.model_copy(update={"groups": ["other"]}) for each in sizes()])
    asked = order(named=kept, size="gpu")
    with pytest.raises(fitting.SizeNotYours, match="kept for other class groups: other"):
        fitting.check(asked, kept, reach(cards(24), host=HOST))
    fitting.check(asked, kept, reach(cards(24), groups=("other",), host=HOST))


def test_nobody_in_particular_is_asked_about_the_machine_alone():
    check(order(size="gpu-large"), cards(), groups=None)
    with pytest.raises(fitting.NeverServed):
        check(order(size="gpu-large"), cards(), groups=None, host=Host(1, 1024))


@pytest.mark.parametrize(
    ("options", "instead"),
    [
        ({"size": "gpu-large"}, [("gpu", True), (None, True), (None, False)]),
        ({"size": "gpu"}, [(None, True), (None, False)]),
        ({}, [(None, False)]),
        ({"gpu": False, "size": "medium"}, [(None, False)]),
        ({"gpu": False}, []),
    ],
)
def test_alternatives_ask_for_less_and_would_do(options, instead):
    found = fitting.alternatives(order(**options), sizes(), ["g"])
    assert [(each.size, each.choice.gpu) for each in found] == instead
    for each in found:
        again = rules.read_options(each.choice.as_options())
        assert again == each.choice


def test_a_lab_that_needs_a_gpu_has_no_alternative_without_one():
    strict = LAB.model_copy(update={"cpu_ok": False})
    found = fitting.alternatives(order(strict, size="gpu"), sizes())
    assert [each.gpus for each in found] == [1]


def test_an_environment_may_run_on_the_processor_instead():
    (cpu,) = fitting.alternatives(order(None, gpus=1), sizes())
    assert cpu.choice.as_options() == {"image": "tiny", "gpus": 0, "language": "en"}


@given(
    st.sampled_from(["small", "medium", "gpu", "gpu-large"]),
    st.sampled_from([True, False, None]),
    st.lists(st.sampled_from([8, 24, 40, 80]), max_size=3),
    st.builds(Host, st.integers(1, 8), st.integers(1024, 32 * 1024)),
)
def test_the_size_that_a_refusal_names_is_never_refused_itself(size, gpu, gigabytes, host):
    options = {"size": size} if gpu is None else {"size": size, "gpu": gpu}
    asked, answer = order(**options), cards(*gigabytes)
    try:
        check(asked, answer, host=host)
        assert not lacking(asked.numbers, asked.needs)
    except (fitting.SizeTooSmall, fitting.NeverServed) as refused:
        for named in refused.allowed:
            check(order(size=named), answer, host=host)


def test_every_sentence_of_a_refusal_is_there_in_chinese():
    assert [text for text in fitting.texts() if text not in catalog("zh_CN")] == []
