"""What the launch page shows: modules first, then environments, each with what is free now; pure.

The page's template says it in words; here only which buttons there are and why one is closed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hub_config.gpus.rules import DeviceRow, Free, gpu_label
from hub_config.offers.images import Image, Images
from hub_config.offers.modules import Module, Modules


class Closed(StrEnum):
    """Why a button cannot be pressed now."""

    BUSY = "busy"
    NO_GROUP = "no_group"
    NONE_ASSIGNED = "none_assigned"
    TOO_FEW = "too_few"
    NO_IMAGE = "no_image"


@dataclass(frozen=True)
class Start:
    """One button: what it sends, and whether it is open."""

    value: str
    gpus: int
    closed: Closed | None = None
    next_free_at: datetime | None = None
    most: int = 0

    @property
    def ready(self) -> bool:
        """True where it can be pressed."""
        return self.closed is None


@dataclass(frozen=True)
class GpuKind:
    """The devices of one model that a student's groups have."""

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
    """One thing to start; the first open button is the one that the page proposes."""

    id: str
    module: Module | None
    image: Image | None
    image_id: str
    minutes: int
    cpus: float
    memory_gb: float
    gpus: int
    starts: tuple[Start, ...]

    @property
    def proposed(self) -> Start | None:
        """The button to press, if any is open."""
        return next((start for start in self.starts if start.ready), None)


@dataclass(frozen=True)
class Launch:
    """The whole page."""

    modules: tuple[Card, ...]
    environments: tuple[Card, ...]
    gpus: tuple[GpuKind, ...]
    groups: tuple[str, ...]
    next_free_at: datetime | None

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
    rows: Sequence[DeviceRow],
    groups: Sequence[str],
    supply: Mapping[int, Free],
) -> Launch:
    """The page for somebody in class groups `groups`.

    `rows` are all devices; `supply` says for each number of GPUs that a module or environment
    wants what the groups have.
    """
    return Launch(
        modules=tuple(_module_card(each, images, groups, supply) for each in modules),
        environments=tuple(_image_card(each, groups, supply) for each in images.offered),
        gpus=gpu_kinds(rows, groups),
        groups=tuple(groups),
        next_free_at=supply[1].next_free_at if 1 in supply else None,
    )


def counts_wanted(modules: Modules) -> set[int]:
    """The numbers of GPUs that any button may ask for."""
    return {1} | {module.gpus for module in modules if module.gpus}


def gpu_kinds(rows: Sequence[DeviceRow], groups: Sequence[str]) -> tuple[GpuKind, ...]:
    """The usable devices of `groups`, counted by model and memory, the largest first."""
    kinds: dict[tuple[str, int, bool], list[DeviceRow]] = {}
    for row in rows:
        if row.usable and row.group in groups:
            key = (row.model, round(row.memory_mb / 1024), row.simulated)
            kinds.setdefault(key, []).append(row)
    return tuple(
        GpuKind(model, memory, len(same), sum(row.lease is None for row in same), simulated)
        for (model, memory, simulated), same in sorted(kinds.items(), key=lambda kind: -kind[0][1])
    )


def _module_card(
    module: Module, images: Images, groups: Sequence[str], supply: Mapping[int, Free]
) -> Card:
    image = images.image(module.image) if module.image in images else None
    starts = []
    if module.gpus:
        starts.append(_gpu_start(f"module/{module.id}/gpu", module.gpus, groups, supply))
    if module.cpu_ok or not module.gpus:
        starts.append(Start(f"module/{module.id}/cpu", 0))
    return Card(
        id=module.id,
        module=module,
        image=image,
        image_id=module.image,
        minutes=module.minutes,
        cpus=module.cpus or (image.cpus if image else 0),
        memory_gb=module.memory_gb or (image.memory_gb if image else 0),
        gpus=module.gpus,
        starts=_with_image(starts, image),
    )


def _image_card(image: Image, groups: Sequence[str], supply: Mapping[int, Free]) -> Card:
    starts = [Start(f"image/{image.id}/0", 0)]
    if image.torch is not None and supply[1].total:
        starts.append(_gpu_start(f"image/{image.id}/1", 1, groups, supply))
    return Card(
        id=image.id,
        module=None,
        image=image,
        image_id=image.id,
        minutes=image.minutes,
        cpus=image.cpus,
        memory_gb=image.memory_gb,
        gpus=0,
        starts=_with_image(starts, image),
    )


def _with_image(starts: Sequence[Start], image: Image | None) -> tuple[Start, ...]:
    if image is not None and image.built:
        return tuple(starts)
    return tuple(Start(start.value, start.gpus, Closed.NO_IMAGE) for start in starts)


def _gpu_start(value: str, wanted: int, groups: Sequence[str], supply: Mapping[int, Free]) -> Start:
    free = supply[wanted]
    if free.enough:
        return Start(value, wanted)
    if not groups:
        return Start(value, wanted, Closed.NO_GROUP)
    if not free.total:
        return Start(value, wanted, Closed.NONE_ASSIGNED)
    if free.next_free_at is None:
        return Start(value, wanted, Closed.TOO_FEW, most=free.total)
    return Start(value, wanted, Closed.BUSY, next_free_at=free.next_free_at)
