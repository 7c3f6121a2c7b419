"""Whether a size is large enough for a lab, and whether anything here can ever serve it; pure.

Both are said before the start. A size that is too small is refused with what the lab needs and the
smallest that fits; one that no machine and no card of the student's groups can serve, with the
nearest that can. That a card is busy is no reason to refuse: that is what the queue is for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from hub_config.errors import BadInput, NotAllowed, NotFound
from hub_config.gpus.model import Free, LeaseRequest
from hub_config.offers.host import MB_PER_GB, Host
from hub_config.offers.sizes import Numbers, Size, Sizes, by_size, lacking
from hub_config.spawning import rules
from hub_config.usage.model import Bounds
from hub_config.usage.rules import OverQuota, fits_ever


class SizeTooSmall(BadInput):
    """The lab needs more than the chosen size has."""

    code = "size_too_small"


class NeverServed(NotFound):
    """Nothing on this site can ever serve the chosen size."""

    code = "never_served"


class SizeNotYours(NotAllowed):
    """The size is kept for class groups that the student is not in."""

    code = "size_not_yours"


class Closed(StrEnum):
    """Why something cannot be started, however long one waits."""

    NO_IMAGE = "no_image"
    HOST = "host"
    QUOTA = "quota"
    HOURS = "hours"
    NO_GROUP = "no_group"
    NONE_ASSIGNED = "none_assigned"
    SMALL_CARDS = "small_cards"
    TOO_FEW = "too_few"


@dataclass(frozen=True, kw_only=True)
class Reach:
    """What one student's sessions can have here.

    `supply` answers for a number of GPUs and the memory in MB that each has; `groups` is None where
    it is not known who asks, and then only the host is looked at. `bounds` are the quotas; None
    leaves them to the queue, which refuses what they never allow. `hours_used`: no GPU hours of
    this week are left.
    """

    host: Host
    groups: tuple[str, ...] | None
    supply: Callable[[int, int], Free]
    bounds: Bounds | None = None
    hours_used: bool = False

    def free(self, numbers: Numbers) -> Free:
        """What the groups have of the GPUs that `numbers` ask for."""
        return self.supply(numbers.gpus, round(numbers.gpu_memory_gb * MB_PER_GB))

    def never(self, numbers: Numbers) -> Closed | None:
        """Why a session with these numbers can never start; None where it can."""
        if not self.host.holds(numbers):
            return Closed.HOST
        if self._over_quota(numbers):
            return Closed.QUOTA
        if not numbers.gpus or self.groups is None:
            return None
        free = self.free(numbers)
        if free.enough or free.next_free_at is not None:
            return Closed.HOURS if self.hours_used else None
        if not self.groups:
            return Closed.NO_GROUP
        if not free.largest_memory_mb:
            return Closed.NONE_ASSIGNED
        return Closed.TOO_FEW if free.total else Closed.SMALL_CARDS

    def _over_quota(self, numbers: Numbers) -> bool:
        if self.bounds is None:
            return False
        try:
            fits_ever(as_request(numbers, self.groups or ()), self.bounds)
        except OverQuota:
            return True
        return False

    def open_to(self, sizes: Sizes) -> list[Size]:
        """The sizes that the student may choose."""
        return sizes.all if self.groups is None else sizes.open_to(self.groups)


def check(order: rules.Order, sizes: Sizes, reach: Reach) -> None:
    """Refuse a chosen size: SizeNotYours, SizeTooSmall, NeverServed."""
    if order.size is None:
        return
    size = sizes.size(order.size)
    if size not in reach.open_to(sizes):
        raise SizeNotYours(
            "The size {size} is kept for other class groups: {groups}.",
            given=size.id,
            allowed=[each.id for each in reach.open_to(sizes)],
            do="Choose another size, or leave it out.",
            size=size.id,
            groups=", ".join(size.groups or ()),
        )
    if lacking(order.numbers, order.needs):
        fitting = fitting_orders(order, sizes, reach)
        raise _too_small(order, min(fitting, key=_rank, default=None))
    if closed := reach.never(order.numbers):
        raise _never_served(order, closed, reach, _nearest(order, sizes, reach))


def fitting_orders(order: rules.Order, sizes: Sizes, reach: Reach) -> list[rules.Order]:
    """The same in each other named size that is large enough and can be served here."""
    gpu = order.needs.gpus > 0
    others = [size for size in reach.open_to(sizes) if size.id != order.size]
    same = [resized(order, size, gpu=gpu) for size in others if (size.gpus > 0) == gpu]
    return [
        each
        for each in same
        if not lacking(each.numbers, each.needs) and not reach.never(each.numbers)
    ]


def alternatives(order: rules.Order, sizes: Sizes, groups: Iterable[str] = ()) -> list[rules.Order]:
    """What asks for less than `order` and would do: smaller sizes, then the CPU; best first.

    `groups` are those of who asks. Whether one of them could start now is for the queue to say, by
    `rules.lease_request` of each.
    """
    gpu = order.gpus > 0
    mine = [None, *(size for size in sizes.open_to(groups) if (size.gpus > 0) == gpu)]
    smaller = [
        each
        for each in (resized(order, size, gpu=gpu) for size in mine)
        if not lacking(each.numbers, each.needs)
        and lacking(each.numbers, order.numbers)
        and _card(each) <= _card(order)
    ]
    found = sorted(smaller, key=_rank, reverse=True)
    return found + ([resized(order, None, gpu=False)] if gpu and _runs_on_cpu(order) else [])


def resized(order: rules.Order, size: Size | None, *, gpu: bool) -> rules.Order:
    """The same in that size (None: its own numbers), with or without a GPU."""
    choice = replace(order.choice, size=size.id if size else None, gpu=gpu)
    if order.module is not None:
        return rules.order_module(choice, order.module, order.image, size)
    return rules.order_image(choice, order.image, size)


def _nearest(order: rules.Order, sizes: Sizes, reach: Reach) -> rules.Order | None:
    """The largest size that can be served and is large enough; one on the CPU if none has GPUs."""
    fitting = fitting_orders(order, sizes, reach)
    if not fitting and order.gpus and _runs_on_cpu(order):
        fitting = fitting_orders(resized(order, None, gpu=False), sizes, reach)
    return max(fitting, key=_rank, default=None)


def _runs_on_cpu(order: rules.Order) -> bool:
    return order.module is None or order.module.cpu_ok


def as_request(numbers: Numbers, groups: tuple[str, ...]) -> LeaseRequest:
    """A request that asks for just these numbers, for rules that want one."""
    return LeaseRequest(
        username="-",
        groups=groups,
        gpu_count=numbers.gpus,
        cpus=numbers.cpus,
        memory_mb=round(numbers.memory_gb * MB_PER_GB),
        minutes=numbers.minutes,
        image="-",
    )


def _rank(order: rules.Order) -> tuple[float, ...]:
    return by_size(order.numbers)


def _card(order: rules.Order) -> tuple[float, float]:
    return (order.numbers.gpus, order.numbers.gpu_memory_gb)


def _too_small(order: rules.Order, smallest: rules.Order | None) -> SizeTooSmall:
    needs = order.needs
    if order.module is None:
        template = _NO_GPU
    elif not needs.gpus:
        template = _NEEDS
    else:
        template = _NEEDS_CARDS if needs.gpu_memory_gb else _NEEDS_GPUS
    return SizeTooSmall(
        template,
        given=order.size,
        allowed=[smallest.size] if smallest else [],
        do=_SMALLEST if smallest else _LEAVE_OUT,
        size=order.size,
        other=smallest.size if smallest else "",
        cpus=f"{needs.cpus:g}",
        memory=f"{needs.memory_gb:g}",
        minutes=needs.minutes,
        gpus=needs.gpus,
        gpu_memory=f"{needs.gpu_memory_gb:g}",
    )


_NO_GPU = "The size {size} has no GPU, and one was asked for."
_NEEDS = (
    "The size {size} is too small for this lab, which needs {cpus} CPU cores, {memory} GB memory "
    "and {minutes} minutes."
)
_NEEDS_GPUS = (
    "The size {size} is too small for this lab, which needs {cpus} CPU cores, {memory} GB memory, "
    "{minutes} minutes and GPUs: {gpus}."
)
_NEEDS_CARDS = (
    "The size {size} is too small for this lab, which needs {cpus} CPU cores, {memory} GB memory, "
    "{minutes} minutes and GPUs: {gpus} ({gpu_memory} GB each)."
)
_SMALLEST = "Choose {other}, the smallest that fits."
_NEAREST = "Choose {other}, the nearest that can be served."
_LEAVE_OUT = "Leave the size out: it then has its own."
_ASK = "Ask an administrator what can be started here."
_NEVER = {
    Closed.HOST: "The size {size} has {cpus} CPU cores and {memory} GB memory; this server has "
    "{host_cpus} and {host_memory} GB.",
    Closed.QUOTA: "The size {size} is over your quota or your group's.",
    Closed.HOURS: "The size {size} has a GPU, and your GPU hours of this week are used up.",
    Closed.NO_GROUP: "The size {size} has a GPU; GPUs belong to class groups, and you are in none.",
    Closed.NONE_ASSIGNED: "The size {size} has a GPU, and none is assigned to your groups.",
    Closed.SMALL_CARDS: "The size {size} has GPUs with {gpu_memory} GB; the largest that your "
    "groups may use has {largest} GB.",
    Closed.TOO_FEW: "The size {size} has {gpus} GPUs at once; your groups have at most {most}.",
}


def _never_served(
    order: rules.Order, closed: Closed, reach: Reach, near: rules.Order | None
) -> NeverServed:
    free = reach.free(order.numbers) if closed not in (Closed.HOST, Closed.QUOTA) else None
    return NeverServed(
        _NEVER[closed],
        given=order.size,
        allowed=[near.size] if near else [],
        do=_NEAREST if near else _ASK if reach.never(order.needs) else _LEAVE_OUT,
        size=order.size,
        other=near.size if near else "",
        cpus=f"{order.cpus:g}",
        memory=f"{order.numbers.memory_gb:g}",
        host_cpus=reach.host.cpus,
        host_memory=reach.host.memory_gb,
        gpus=order.gpus,
        gpu_memory=f"{order.numbers.gpu_memory_gb:g}",
        largest=f"{free.largest_memory_mb / MB_PER_GB:.4g}" if free else "",
        most=free.total if free else 0,
    )


def texts() -> Sequence[str]:
    """The sentences above that stand outside a call; for those who translate them."""
    too_small = (_NO_GPU, _NEEDS, _NEEDS_GPUS, _NEEDS_CARDS, _SMALLEST)
    return (*too_small, _NEAREST, _LEAVE_OUT, _ASK, *_NEVER.values())
