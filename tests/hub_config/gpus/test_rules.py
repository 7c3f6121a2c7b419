from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_config.gpus import rules
from hub_config.gpus.model import DeviceRow, Ended, Lease, LeaseRequest
from hub_config.groups.rules import Group

Ask = Callable[..., LeaseRequest]


def a_lease(ends_at: datetime, username: str = "sam") -> Lease:
    return Lease(
        id="0" * 32,
        server="local",
        username=username,
        server_name="",
        task="lab",
        group="radiology",
        module=None,
        module_version=None,
        image="i",
        cpus=1,
        memory_mb=1,
        gpu_count=1,
        minutes=60,
        granted_at=ends_at - timedelta(minutes=60),
        started_at=None,
        ends_at=ends_at,
        released_at=None,
        why_ended=None,
        container_id=None,
        devices=(),
    )


def a_group(name: str, *, lends: bool = False, borrows: bool = False) -> Group:
    made_at = datetime.fromisoformat("2026-03-01T12:00:00+00:00")
    return Group(name, "", False, made_at, "ada", lends, borrows)


def pick(
    rows: list[DeviceRow], request: LeaseRequest, groups: list[str], now: datetime, *others: Group
) -> rules.Offer:
    """What the groups of these names get, each with its own policy where it is one of `others`."""
    known = {name: a_group(name) for name in groups} | {group.name: group for group in others}
    return rules.pick(rows, request, [known[name] for name in groups], known, now)


def a_row(
    index: int, memory_gb: float = 24, group: str | None = "radiology", **state: object
) -> DeviceRow:
    fields: dict[str, object] = {"gone": False, "lease": None, **state}
    return DeviceRow(
        uuid=f"GPU-{index:04x}",
        index=index,
        model="Card",
        memory_mb=int(memory_gb * 1024),
        group=group,
        **fields,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("minutes", 0), ("minutes", -5), ("minutes", 1441),
        ("gpu_count", -1), ("gpu_count", 17), ("gpu_memory_mb", -1),
        ("cpus", 0), ("cpus", -1.0), ("cpus", float("nan")), ("memory_mb", 0),
        ("username", ""), ("image", ""),
    ],
)  # fmt: skip
def test_an_impossible_request_is_refused_by_the_name_of_its_field(
    request_for: Ask, field: str, value: object
) -> None:
    with pytest.raises(rules.BadLeaseRequest, match=field):
        rules.check_request(request_for(**{field: value}))


@pytest.mark.parametrize(
    "changes", [{"minutes": 1}, {"minutes": 1440}, {"gpu_count": 0}, {"gpu_count": 16}]
)
def test_the_edges_of_a_request_are_possible(request_for: Ask, changes: dict[str, int]) -> None:
    rules.check_request(request_for(**changes))


@pytest.mark.parametrize(
    ("reported_mb", "sold_gb", "served"),
    [(23034, 24, True), (15360, 16, True), (40536, 40, True), (16384, 24, False), (24576, 0, True)],
)
def test_a_card_serves_as_it_is_sold(reported_mb: int, sold_gb: int, served: bool) -> None:
    assert rules.serves(a_row(0, reported_mb / 1024), sold_gb * 1024) is served


def test_the_smallest_that_serve_are_taken_first_then_the_lowest_index() -> None:
    rows = [a_row(0, 80), a_row(3, 24), a_row(2, 24), a_row(1, 40)]
    assert [row.index for row in rules.choose(rows, 3)] == [2, 3, 1]


def test_all_devices_of_a_lease_come_from_one_group(request_for: Ask, noon: datetime) -> None:
    rows = [a_row(0, group="a"), a_row(1, group="b"), a_row(2, group="b")]
    taken = pick(rows, request_for(gpu_count=2), ["a", "b"], noon)
    assert (taken.group, [row.index for row in taken.devices]) == ("b", [1, 2])


def test_the_first_group_that_can_lends(request_for: Ask, noon: datetime) -> None:
    rows = [a_row(0, group="a"), a_row(1, group="b")]
    assert pick(rows, request_for(), ["b", "a"], noon).group == "b"


def test_what_is_gone_unusable_or_anothers_is_never_picked(
    request_for: Ask, noon: datetime
) -> None:
    rows = [
        a_row(0, gone=True),
        a_row(1, unusable="mig"),
        a_row(2, group=None),
        a_row(3, group="b"),
    ]
    with pytest.raises(rules.NoGpuForGroup, match=r"No GPU that can be used .* radiology"):
        pick(rows, request_for(), ["radiology"], noon)


def test_somebody_in_no_group_is_told_so(request_for: Ask, noon: datetime) -> None:
    with pytest.raises(rules.NoGpuForGroup, match="in no class group"):
        pick([a_row(0)], request_for(), [], noon)


def test_without_a_gpu_the_first_group_lends_nothing(request_for: Ask, noon: datetime) -> None:
    assert pick([], request_for(gpu_count=0), ["b", "a"], noon) == rules.Offer("b", None, ())
    assert pick([], request_for(gpu_count=0), [], noon) == rules.Offer(None, None, ())


def test_more_than_the_group_ever_has_names_the_most(request_for: Ask, noon: datetime) -> None:
    with pytest.raises(rules.NoGpuForGroup, match="at most 2") as refused:
        pick([a_row(0), a_row(1)], request_for(gpu_count=3), ["radiology"], noon)
    assert refused.value.allowed == 2


def test_more_memory_than_the_group_ever_has_names_the_largest(
    request_for: Ask, noon: datetime
) -> None:
    with pytest.raises(rules.NoGpuForGroup, match=r"80 GB .* largest of radiology has 24 GB"):
        pick([a_row(0)], request_for(gpu_memory_mb=80 * 1024), ["radiology"], noon)


def test_when_all_are_in_use_the_refusal_says_when_the_next_is_free(
    request_for: Ask, noon: datetime
) -> None:
    ends = [noon + timedelta(minutes=m) for m in (90, 30)]
    rows = [a_row(i, lease=a_lease(end)) for i, end in enumerate(ends)]
    with pytest.raises(rules.NoFreeGpu, match=r"radiology .*\(2\).* 2026-03-02 12:30 UTC") as full:
        pick(rows, request_for(), ["radiology"], noon)
    assert full.value.next_free_at == ends[1]
    assert full.value.as_dict()["error"]["next_free_at"] == ends[1].isoformat()


def test_where_some_are_free_the_refusal_says_when_enough_are(
    request_for: Ask, noon: datetime
) -> None:
    rows = [a_row(0), a_row(1, lease=a_lease(noon + timedelta(minutes=5)))]
    with pytest.raises(rules.NoFreeGpu, match=r"1 of 2 .* 1 free is too few .*12:05 UTC"):
        pick(rows, request_for(gpu_count=2), ["radiology"], noon)


def test_an_overdue_lease_is_expected_back_now(noon: datetime) -> None:
    rows = [a_row(0, lease=a_lease(noon - timedelta(hours=1)))]
    assert rules.next_free(rows, 1, noon) == noon
    assert rules.next_free(rows, 2, noon) is None


def test_only_cards_that_serve_are_counted_as_supply(noon: datetime) -> None:
    rows = [a_row(0, 80, lease=a_lease(noon + timedelta(minutes=10))), a_row(1, 24)]
    small = rules.supply(rows, ["radiology"], 1, 24 * 1024, noon)
    large = rules.supply(rows, ["radiology"], 1, 40 * 1024, noon)
    assert (small.free, small.total, small.enough, small.next_free_at) == (1, 2, True, None)
    assert (large.free, large.total, large.enough) == (0, 1, False)
    assert large.next_free_at == noon + timedelta(minutes=10)
    assert large.largest_memory_mb == 80 * 1024


def test_own_devices_go_before_the_pool_and_the_pool_before_a_loan(
    request_for: Ask, noon: datetime
) -> None:
    lender, mine = a_group("b", lends=True), a_group("a", borrows=True)
    busy = a_lease(noon + timedelta(minutes=5))
    rows = [a_row(0, group="b"), a_row(1, group=None, pool=True), a_row(2, 80, group="a")]
    taken = []
    for _ in range(3):
        offer = pick(rows, request_for(), ["a"], noon, lender, mine)
        taken.append((offer.lender, offer.devices[0].index))
        rows = [replace(r, lease=busy) if r.uuid == offer.devices[0].uuid else r for r in rows]
    assert taken == [(None, 2), (None, 1), ("b", 0)]
    with pytest.raises(rules.NoFreeGpu, match=r"GPUs of a .*\(3\).* 12:05"):
        pick(rows, request_for(), ["a"], noon, lender, mine)


def test_the_own_devices_of_every_group_go_before_the_pool(
    request_for: Ask, noon: datetime
) -> None:
    rows = [a_row(0, group=None, pool=True), a_row(1, group="b")]
    offer = pick(rows, request_for(), ["a", "b"], noon)
    assert (offer.group, [row.index for row in offer.devices]) == ("b", [1])


def test_two_gpus_may_be_one_of_the_group_and_one_of_the_pool(
    request_for: Ask, noon: datetime
) -> None:
    rows = [a_row(0, 16, group=None, pool=True), a_row(1, 80), a_row(2, 16, group=None, pool=True)]
    offer = pick(rows, request_for(gpu_count=2), ["radiology"], noon)
    assert (offer.group, [row.index for row in offer.devices]) == ("radiology", [1, 0])


@pytest.mark.parametrize(("lends", "borrows"), [(False, True), (True, False), (False, False)])
def test_nothing_is_borrowed_unless_both_groups_allow_it(
    request_for: Ask, noon: datetime, lends: bool, borrows: bool
) -> None:
    policies = (a_group("a", borrows=borrows), a_group("b", lends=lends))
    with pytest.raises(rules.NoGpuForGroup):
        pick([a_row(0, group="b")], request_for(), ["a"], noon, *policies)


def test_a_loan_comes_from_one_lender(request_for: Ask, noon: datetime) -> None:
    policies = (a_group("a", borrows=True), a_group("b", lends=True), a_group("c", lends=True))
    rows = [a_row(0, group="b"), a_row(1, group="c"), a_row(2, group="c")]
    offer = pick(rows, request_for(gpu_count=2), ["a"], noon, *policies)
    assert (offer.group, offer.lender) == ("a", "c")
    with pytest.raises(rules.NoGpuForGroup, match="at most 2"):
        pick(rows, request_for(gpu_count=3), ["a"], noon, *policies)


def test_a_draining_device_is_granted_to_nobody(request_for: Ask, noon: datetime) -> None:
    with pytest.raises(rules.NoGpuForGroup):
        pick([a_row(0, draining=True)], request_for(), ["radiology"], noon)
    assert rules.supply([a_row(0, draining=True)], ["radiology"], 1, 0, noon).total == 0


def test_a_lease_that_stops_early_is_expected_back_then(noon: datetime) -> None:
    lease = replace(
        a_lease(noon + timedelta(hours=1)),
        stop_at=noon + timedelta(minutes=10),
        stop_why=Ended.IDLE,
    )
    assert (lease.until, lease.until_why) == (lease.stop_at, Ended.IDLE)
    assert rules.next_free([a_row(0, lease=lease)], 1, noon) == lease.stop_at
    late = replace(lease, stop_at=noon + timedelta(hours=2))
    assert (late.until, late.until_why) == (late.ends_at, Ended.TIME_UP)


minutes = st.none() | st.integers(-30, 300)
some_rows = st.lists(
    st.tuples(
        st.sampled_from([16, 24, 80]),
        st.sampled_from(["a", "b", "c", "pool", None]),
        minutes,
        st.sampled_from(["there", "there", "there", "gone", "draining"]),
    ),
    max_size=6,
)


def row_of(index: int, spec: tuple[int, str | None, int | None, str], noon: datetime) -> DeviceRow:
    memory_gb, owner, busy_minutes, state = spec
    return a_row(
        index,
        memory_gb,
        None if owner == "pool" else owner,
        pool=owner == "pool",
        gone=state == "gone",
        draining=state == "draining",
        lease=None if busy_minutes is None else a_lease(noon + timedelta(minutes=busy_minutes)),
    )


@given(
    specs=some_rows,
    wanted=st.integers(1, 4),
    memory_gb=st.sampled_from([0, 24, 80]),
    lends=st.booleans(),
    borrows=st.booleans(),
)
def test_picking_and_supply_never_disagree(
    specs: list[tuple[int, str | None, int | None, str]],
    wanted: int,
    memory_gb: int,
    lends: bool,
    borrows: bool,
) -> None:
    noon = datetime.fromisoformat("2026-03-02T12:00:00+00:00")
    rows = [row_of(index, spec, noon) for index, spec in enumerate(specs)]
    request = LeaseRequest(
        username="sam", gpu_count=wanted, gpu_memory_mb=memory_gb * 1024, cpus=1, memory_mb=1,
        minutes=1, image="i",
    )  # fmt: skip
    policies = {"a": a_group("a", borrows=borrows), "b": a_group("b")}
    policies["c"] = a_group("c", lends=lends)
    found = rules.supply(rows, ["a", "b"], wanted, memory_gb * 1024, noon, policies)
    try:
        offer = pick(rows, request, ["a", "b"], noon, *policies.values())
    except rules.NoFreeGpu as refused:
        assert not found.enough
        assert refused.next_free_at == found.next_free_at
        assert refused.next_free_at >= noon
    except rules.NoGpuForGroup:
        assert not found.enough
        assert found.next_free_at is None
    else:
        assert found.enough
        assert len({row.uuid for row in offer.devices}) == wanted
        for row in offer.devices:
            assert row.usable
            assert row.lease is None
            assert rules.serves(row, memory_gb * 1024)
            loan = row.group == "c" and offer.group == "a" and lends and borrows
            assert loan == (offer.lender == "c")
            assert loan or row.pool or row.group == offer.group


@pytest.mark.parametrize(
    ("given_", "index"),
    [("GPU-0001", 1), ("gpu-0001", 1), ("1", 1), (" 2 ", 2), ("GPU-002", 0x20), ("GPU-0002", 2)],
)
def test_a_device_answers_to_uuid_beginning_or_index(given_: str, index: int) -> None:
    rows = [a_row(1), a_row(2), a_row(0x20)]
    assert rules.resolve(given_, rows).index == index


def test_an_exact_uuid_wins_over_those_that_begin_with_it() -> None:
    rows = [a_row(1), DeviceRow("GPU-00011", 9, "Card", 1, group=None, gone=False, lease=None)]
    assert rules.resolve("GPU-0001", rows).index == 1


def test_an_index_means_the_device_that_is_there_now() -> None:
    gone = DeviceRow("GPU-old", 1, "Card", 1, group=None, gone=True, lease=None)
    assert rules.resolve("1", [gone, a_row(1)]).uuid == "GPU-0001"


def test_an_index_on_several_servers_wants_its_server() -> None:
    rows = [a_row(1), replace(a_row(2), index=1, server="second")]
    with pytest.raises(rules.AmbiguousDevice, match="2 GPUs match '1'"):
        rules.resolve("1", rows)
    assert rules.resolve("second:1", rows).uuid == "GPU-0002"
    assert rules.resolve("local:1", rows).uuid == "GPU-0001"


def test_a_beginning_that_fits_several_is_refused() -> None:
    with pytest.raises(rules.AmbiguousDevice, match="2 GPUs match 'GPU-000'"):
        rules.resolve("GPU-000", [a_row(1), a_row(2)])


@pytest.mark.parametrize("given_", ["GPU-0009", "", "9"])
def test_no_such_device_is_refused_with_those_that_exist(given_: str) -> None:
    with pytest.raises(rules.UnknownDevice) as refused:
        rules.resolve(given_, [a_row(1)])
    assert refused.value.allowed == ["GPU-0001"]


@pytest.mark.parametrize(
    ("model", "memory_mb", "label"),
    [
        ("NVIDIA L4", 23034, "NVIDIA L4, 22 GB"),
        ("NVIDIA A100-SXM4-40GB", 40960, "NVIDIA A100-SXM4-40GB"),
        ("Simulated GPU 24 GB", 24576, "Simulated GPU 24 GB"),
    ],
)
def test_a_gpu_is_named_with_its_memory_once(model, memory_mb, label):
    assert rules.gpu_label(model, memory_mb) == label
