"""What one student can have here, read from database and machine: for launch page and fit check.

Devices are read once for all questions of a page: a page with ten sizes asks the database as often
as one with none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import Engine

from hub_config.gpus import rules as gpu_rules
from hub_config.gpus.model import DeviceRow, Free, LeaseRequest
from hub_config.groups.rules import Group
from hub_config.offers.host import this_host
from hub_config.offers.images import Images
from hub_config.offers.modules import Modules
from hub_config.offers.sizes import Numbers
from hub_config.queueing.model import Place, State
from hub_config.queueing.store import QueueStore
from hub_config.spawning.fitting import Reach, as_request
from hub_config.spawning.launch import Hours, Line, Mine, OpenPlace, Wait
from hub_config.usage.model import Bounds, Kind
from hub_config.usage.rules import disk_limit
from hub_config.usage.store import QuotaStore, UsageStore

_KEPT = timedelta(seconds=1)


def reach_of(
    groups: Sequence[str] | None,
    all_groups: Mapping[str, Group],
    rows: Sequence[DeviceRow],
    now: datetime,
    bounds: Bounds | None = None,
    hours: Iterable[Hours] = (),
) -> Reach:
    """What somebody in the class groups `groups` can have; None: it is not known who asks."""

    @cache
    def supply(gpus: int, memory_mb: int) -> Free:
        return gpu_rules.supply(rows, groups or (), gpus, memory_mb, now, all_groups)

    known = None if groups is None else tuple(groups)
    used_up = hours_used(hours, known or ())
    return Reach(host=this_host(), groups=known, supply=supply, bounds=bounds, hours_used=used_up)


def hours_used(hours: Iterable[Hours], groups: Sequence[str]) -> bool:
    """True where the student's own GPU hours of the week, or those of all `groups`, are used up."""
    over = {each.group for each in hours if not each.left}
    return None in over or (bool(groups) and over.issuperset(groups))


class Forecasts:
    """What whoever enters the line now would be told; kept for a second, for a class that looks.

    Sixty students who open the page at once, while as many wait, would otherwise have the whole
    line worked out sixty times.
    """

    def __init__(self, queue: QueueStore) -> None:
        self._queue = queue
        self._known: dict[tuple[object, ...], tuple[datetime, Wait]] = {}

    def line(self, groups: Sequence[str], now: datetime) -> Line:
        """The same for members of `groups`, by what is asked for."""

        def told(numbers: Numbers) -> Wait:
            key = (tuple(groups), numbers.gpus, numbers.gpu_memory_gb)
            known = self._known.get(key)
            if known is None or abs(now - known[0]) > _KEPT:
                known = (now, self._ask(numbers, groups, now))
                self._known = {k: v for k, v in self._known.items() if abs(now - v[0]) <= _KEPT}
                self._known[key] = known
            return known[1]

        return told

    def _ask(self, numbers: Numbers, groups: Sequence[str], now: datetime) -> Wait:
        (outlook,) = self._queue.forecast([as_request(numbers, tuple(groups))], now)
        return Wait(position=outlook.position, expected_at=outlook.expected_at)


def devices_of(
    groups: Sequence[str], all_groups: Mapping[str, Group], rows: Sequence[DeviceRow]
) -> list[DeviceRow]:
    """The devices that members of `groups` may use: their own, the pool's, those lent to them."""
    mine = [all_groups[name] for name in groups]
    any_gpu = LeaseRequest(username="-", gpu_count=1, cpus=1, memory_mb=1, minutes=1, image="-")
    offers = gpu_rules.candidates(rows, any_gpu, mine, all_groups)
    return list({row.uuid: row for offer in offers for row in offer.devices}.values())


def waiting_for_gpus(places: Iterable[Place], groups: Sequence[str], username: str) -> int:
    """How many others wait for GPUs of `groups`."""
    return sum(
        place.state is State.WAITING
        and place.request.gpu_count > 0
        and not set(groups).isdisjoint(place.request.groups)
        and place.username != username
        for place in places
    )


def mine_of(
    engine: Engine,
    username: str,
    bounds: Bounds,
    places: Iterable[Place],
    modules: Modules,
    images: Images,
    now: datetime,
) -> Mine:
    """What `username` has used of what they may use, and their places in line."""
    home = UsageStore(engine).home(username)
    return Mine(
        home_mb=home.used_mb if home else None,
        disk_mb=disk_limit(bounds),
        hours=tuple(_hours(QuotaStore(engine), username, bounds, now)),
        places=tuple(
            _open_place(place, modules, images) for place in places if place.username == username
        ),
    )


def _hours(quotas: QuotaStore, username: str, bounds: Bounds, now: datetime) -> Iterable[Hours]:
    limits = {(Kind.PERSON, username): bounds.person.gpu_hours_week}
    limits |= {(Kind.GROUP, name): each.gpu_hours_week for name, each in bounds.groups.items()}
    for (kind, name), limit in limits.items():
        if limit is not None:
            used = quotas.held(kind, name, now).gpu_hours_week
            yield Hours(group=name if kind is Kind.GROUP else None, used=used, limit=limit)


def _open_place(place: Place, modules: Modules, images: Images) -> OpenPlace:
    asked, image = place.request.module or "", place.request.image
    return OpenPlace(
        server_name=place.server_name,
        module=modules.module(asked) if asked in modules else None,
        image=images.image(image) if image in images else None,
        starting=place.state is State.STARTING,
    )
