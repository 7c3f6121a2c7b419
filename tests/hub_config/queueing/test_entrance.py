"""What nothing can ever serve is refused at once, with the nearest that can."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from hub_config.errors import RadLabError
from hub_config.gpus.rules import BadLeaseRequest, NoGpuForGroup
from hub_config.queueing.refusals import HoursUsed, TooLargeForHost
from hub_config.usage.model import Kind, Limits
from hub_config.usage.rules import OverQuota
from tests.hub_config.queueing.story import GB, Site


@pytest.mark.parametrize(
    ("changes", "refusal", "nearest"),
    [
        ({"cpus": 9}, TooLargeForHost, 8),
        ({"memory_mb": 100 * GB}, TooLargeForHost, 64 * GB),
        ({"gpu_count": 3}, NoGpuForGroup, 2),
        ({"gpu_memory_mb": 81 * GB}, NoGpuForGroup, 48 * GB),
        ({"minutes": 0}, BadLeaseRequest, "1 to 1440"),
        ({"gpu_count": -1}, BadLeaseRequest, "0 to 16"),
    ],
)
def test_more_than_there_is_refused_with_the_nearest(
    site: Site, changes: dict[str, Any], refusal: type[RadLabError], nearest: Any
) -> None:
    site.cards("aa", "aa", gb=(24, 48))
    with pytest.raises(refusal) as refused:
        site.enter("ann", **changes)
    assert refused.value.allowed == nearest
    assert site.queue.open() == []


def test_memory_counts_as_sold(site: Site) -> None:
    site.enter("ann", gpu_count=0, groups=(), memory_mb=70 * GB)


def test_a_change_to_what_nothing_serves_leaves_the_place_as_it_was(site: Site) -> None:
    site.cards("aa")
    place = site.enter("ann")
    with pytest.raises(NoGpuForGroup):
        site.enter("ann", gpu_count=2)
    assert site.place("ann") == place


def test_a_gpu_without_a_group_that_has_one_is_refused(site: Site) -> None:
    site.cards("aa")
    site.groups.create("empty", by="ada")
    for groups in ((), ("empty",), ("unknown",)):
        with pytest.raises(NoGpuForGroup):
            site.enter("ann", groups=groups)


def test_more_than_a_quota_ever_allows_is_refused(site: Site) -> None:
    site.cards("aa", "aa")
    site.quotas.set(Kind.GROUP, "aa", Limits(gpus=1), "ada")
    with pytest.raises(OverQuota) as refused:
        site.enter("ann", gpu_count=2)
    assert refused.value.allowed == 1


def test_a_second_group_without_that_quota_serves(site: Site) -> None:
    site.cards("aa", "bb")
    site.quotas.set(Kind.GROUP, "aa", Limits(gpus=0), "ada")
    site.enter("ann", groups=("aa", "bb"))
    assert site.place("ann").request.groups == ("bb",)


@pytest.mark.parametrize(("kind", "name"), [(Kind.GROUP, "aa"), (Kind.PERSON, "ann")])
def test_hours_that_are_used_up_are_refused_until_monday(site: Site, kind: Kind, name: str) -> None:
    site.cards("aa")
    site.quotas.set(kind, name, Limits(gpu_hours_week=1), "ada")
    site.run("ann")
    site.later(60)
    site.release("ann")
    with pytest.raises(HoursUsed) as refused:
        site.enter("ann")
    assert refused.value.again_at == datetime(2026, 3, 9, tzinfo=UTC)
    site.enter("ann", gpu_count=0)
    site.now = refused.value.again_at
    site.enter("ann")


def test_a_gpu_that_is_only_in_use_is_waited_for(site: Site) -> None:
    site.cards("aa")
    site.run("ann")
    assert site.enter("bob").state == "waiting"
