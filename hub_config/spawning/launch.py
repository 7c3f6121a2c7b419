"""What the launch page shows: modules first, then environments, each with what is free now; pure.

The page's template says it in words; here only which buttons there are, which sizes stand beside
each, what a button leads to (a start, or a place in line), and why one is closed for good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from hub_config.gpus.model import DeviceRow, gpu_label
from hub_config.offers.images import Image, Images
from hub_config.offers.modules import Module, Modules
from hub_config.offers.sizes import Numbers, Size, Sizes, by_size, lacking
from hub_config.spawning import rules
from hub_config.spawning.fitting import Closed, Reach

NEARLY_FULL = 0.8


@dataclass(frozen=True, kw_only=True)
class Wait:
    """What a place in line would be told now; `expected_at` is None where it cannot be said."""

    position: int
    expected_at: datetime | None


Line = Callable[[Numbers], Wait]


@dataclass(frozen=True, kw_only=True)
class SizeOffer:
    """One size beside a button; `size` is None for the thing's own numbers, which have no name.

    `own` is True for those and for a named size that is just like them. `lacks`
    names the fields of `needs` that it does not reach.
    """

    size: Size | None
    numbers: Numbers
    needs: Numbers
    lacks: tuple[str, ...]
    closed: Closed | None
    own: bool = False
    free: int = 0
    busy: bool = False

    @property
    def id(self) -> str:
        """What the form sends; empty for the thing's own numbers."""
        return self.size.id if self.size else ""

    @property
    def ready(self) -> bool:
        """True where it can be chosen."""
        return not self.lacks and self.closed is None


@dataclass(frozen=True, kw_only=True)
class Start:
    """One button: what it sends, the sizes beside it, and whether it can be pressed.

    `wait` is there where it leads into the line and not to a server at once.
    """

    value: str
    gpus: int
    offers: tuple[SizeOffer, ...]
    closed: Closed | None = None
    wait: Wait | None = None
    most: int = 0
    largest_gb: int = 0

    @property
    def ready(self) -> bool:
        """True where it can be pressed."""
        return self.closed is None

    @property
    def now(self) -> bool:
        """True where pressing it starts a server without waiting for a GPU."""
        return self.ready and self.wait is None

    @property
    def proposed(self) -> SizeOffer:
        """The size that the page proposes: what the lab asks for, which is what just fits."""
        return _proposed(self.offers)


@dataclass(frozen=True)
class GpuKind:
    """The devices of one model that a student may use."""

    model: str
    memory_gb: int
    total: int
    free: int
    simulated: bool

    @property
    def label(self) -> str:
        """Model and memory."""
        return gpu_label(self.model, self.memory_gb * 1024)


@dataclass(frozen=True)
class Card:
    """One thing to start."""

    id: str
    module: Module | None
    image: Image | None
    image_id: str
    minutes: int
    numbers: Numbers
    starts: tuple[Start, ...]

    @property
    def gpus(self) -> int:
        """GPUs that it asks for where there are some."""
        return self.numbers.gpus

    @property
    def proposed(self) -> Start | None:
        """The button to press: the first that starts at once, else the first that is open."""
        at_once = (start for start in self.starts if start.now)
        return next(at_once, next((start for start in self.starts if start.ready), None))


@dataclass(frozen=True, kw_only=True)
class OpenPlace:
    """A place of the student's in line, or a server of theirs that is starting."""

    server_name: str
    module: Module | None
    image: Image | None
    starting: bool


@dataclass(frozen=True, kw_only=True)
class Hours:
    """GPU hours of this week under one quota: the student's own, or that of `group`."""

    group: str | None
    used: float
    limit: float

    @property
    def left(self) -> float:
        """Those that are left."""
        return max(0.0, self.limit - self.used)


@dataclass(frozen=True, kw_only=True)
class Mine:
    """What the student has used of what they may use; None: no limit, or not measured yet."""

    home_mb: int | None = None
    disk_mb: int | None = None
    hours: tuple[Hours, ...] = ()
    places: tuple[OpenPlace, ...] = ()

    @property
    def home_nearly_full(self) -> bool:
        """True from four fifths of the disk quota."""
        return bool(self.disk_mb) and (self.home_mb or 0) >= NEARLY_FULL * (self.disk_mb or 0)


NOTHING_OF_MINE = Mine()


@dataclass(frozen=True, kw_only=True)
class Launch:
    """The whole page."""

    modules: tuple[Card, ...]
    environments: tuple[Card, ...]
    gpus: tuple[GpuKind, ...]
    reach: Reach
    waiting: int
    mine: Mine

    @property
    def groups(self) -> tuple[str, ...]:
        """The student's class groups."""
        return self.reach.groups or ()

    @property
    def next_free_at(self) -> datetime | None:
        """When any GPU is free; None where one is, or none ever will be."""
        return self.reach.supply(1, 0).next_free_at

    @property
    def total(self) -> int:
        """GPUs that serve this student's groups."""
        return sum(kind.total for kind in self.gpus)

    @property
    def free(self) -> int:
        """Those of them that nobody holds."""
        return sum(kind.free for kind in self.gpus)

    @property
    def simulated(self) -> bool:
        """True where any of them is simulated."""
        return any(kind.simulated for kind in self.gpus)


def build_launch(
    modules: Modules,
    images: Images,
    sizes: Sizes,
    rows: Iterable[DeviceRow],
    reach: Reach,
    line: Line,
    *,
    waiting: int = 0,
    mine: Mine = NOTHING_OF_MINE,
) -> Launch:
    """The page for the student of that `reach`.

    `rows` are the devices that they may use; `line` says what a place for busy ones would be told;
    `waiting` counts the others who wait for a GPU already.
    """
    offered = _Offered(tuple(reach.open_to(sizes)), reach, line)
    return Launch(
        modules=tuple(offered.module(each, images) for each in modules),
        environments=tuple(offered.environment(each) for each in images.offered),
        gpus=gpu_kinds(rows),
        reach=reach,
        waiting=waiting,
        mine=mine,
    )


def gpu_kinds(rows: Iterable[DeviceRow]) -> tuple[GpuKind, ...]:
    """Devices counted by model and memory, the largest first."""
    kinds: dict[tuple[str, int, bool], list[DeviceRow]] = {}
    for row in rows:
        key = (row.model, round(row.memory_mb / 1024), row.simulated)
        kinds.setdefault(key, []).append(row)
    return tuple(
        GpuKind(model, memory, len(same), sum(row.lease is None for row in same), simulated)
        for (model, memory, simulated), same in sorted(kinds.items(), key=lambda kind: -kind[0][1])
    )


@dataclass(frozen=True)
class _Offered:
    """What makes the cards: the sizes that the student may choose, and what can be served."""

    sizes: tuple[Size, ...]
    reach: Reach
    line: Line

    def module(self, module: Module, images: Images) -> Card:
        """The card of a module."""
        image = images.image(module.image) if module.image in images else None
        kinds = ["gpu"] if module.gpus else []
        kinds += ["cpu"] if module.cpu_ok or not module.gpus else []
        starts = []
        for kind in kinds:
            needs = rules.module_needs(module, image, gpu=kind == "gpu")
            value = f"module/{module.id}/{kind}"
            starts.append(self._start(value, image, own=needs, needs=needs))
        numbers = rules.module_needs(module, image, gpu=True)
        return Card(module.id, module, image, module.image, module.minutes, numbers, tuple(starts))

    def environment(self, image: Image) -> Card:
        """The card of an environment."""
        gpu = image.torch is not None and self.reach.supply(1, 0).total > 0
        starts = []
        for gpus in (0, 1) if gpu else (0,):
            own = rules.image_numbers(image, gpu=gpus > 0)
            needs = Numbers(cpus=0, memory_gb=0, gpus=gpus)
            starts.append(self._start(f"image/{image.id}/{gpus}", image, own=own, needs=needs))
        numbers = rules.image_numbers(image, gpu=False)
        return Card(image.id, None, image, image.id, image.minutes, numbers, tuple(starts))

    def _start(self, value: str, image: Image | None, *, own: Numbers, needs: Numbers) -> Start:
        offers = self._offers(own, needs)
        proposed = _proposed(offers)
        built = image is not None and image.built
        free = self.reach.free(needs)
        return Start(
            value=value,
            gpus=needs.gpus,
            offers=offers,
            closed=proposed.closed if built else Closed.NO_IMAGE,
            wait=self.line(proposed.numbers) if proposed.ready and proposed.busy else None,
            most=free.total,
            largest_gb=round(free.largest_memory_mb / 1024),
        )

    def _offers(self, own: Numbers, needs: Numbers) -> tuple[SizeOffer, ...]:
        gpu = needs.gpus > 0
        named = [size for size in self.sizes if (size.gpus > 0) == gpu]
        offers = [self._offer(size, size.numbers(own), own, needs) for size in named]
        if any(offer.own for offer in offers):
            return tuple(offers)
        return (self._offer(None, own, own, needs), *offers)

    def _offer(
        self, size: Size | None, numbers: Numbers, own: Numbers, needs: Numbers
    ) -> SizeOffer:
        free = self.reach.free(numbers)
        return SizeOffer(
            size=size,
            numbers=numbers,
            needs=needs,
            lacks=lacking(numbers, needs),
            closed=self.reach.never(numbers),
            own=numbers == own,
            free=free.free if numbers.gpus else 0,
            busy=numbers.gpus > 0 and not free.enough and free.next_free_at is not None,
        )


def _proposed(offers: Sequence[SizeOffer]) -> SizeOffer:
    """The thing's own numbers; where nothing can serve those, the largest that can be served."""
    ready = [offer for offer in offers if offer.ready]
    own = [offer for offer in offers if offer.own]
    if own[0].ready or not ready:
        return own[0]
    return max(ready, key=lambda offer: by_size(offer.numbers))
