"""Named sizes: how many cores, how much memory and which GPUs a student may choose.

A site's list is `offers/sizes.yaml` of the state folder; where there is none, the one beside this
file serves. A size is more than a wish for speed: what a lab needs (`Numbers` of its module) must
fit into it, and a machine must be there that can serve it. `lacking` answers the first.

Memory is in GB of 1024 MB, as catalogs and modules say it; a GPU's as its card is sold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hub_config.errors import BadInput, NotFound, nearest
from hub_config.offers.images import Text

SHIPPED = Path(__file__).with_name("sizes.yaml")
_ID = r"^[a-z][a-z0-9-]{0,31}$"
_GROUP = r"^[a-z][a-z0-9-]{1,39}$"


class UnknownSize(NotFound):
    """No such size is on offer."""

    code = "unknown_size"


class BrokenSizes(BadInput):
    """The list of sizes says something that cannot be."""

    code = "broken_sizes"


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """What a session has, or what a lab needs; `gpu_memory_gb` is that of each GPU (0: any)."""

    cpus: float
    memory_gb: float
    gpus: int = 0
    gpu_memory_gb: float = 0
    minutes: int = 0


_Group = Annotated[str, Field(pattern=_GROUP)]


class Size(BaseModel):
    """One named size; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    id: str = Field(pattern=_ID, description="Its name, as the option `size` gives it.")
    title: Text = Field(description="One or two words in each language.")
    cpus: float = Field(gt=0, le=256, description="CPU cores.")
    memory_gb: float = Field(gt=0, le=4096, description="Memory in GB.")
    gpus: int = Field(default=0, ge=0, le=16, description="GPUs that its session holds.")
    gpu_memory_gb: float = Field(
        default=0, ge=0, le=1024, description="Memory of each GPU in GB; 0: any card serves."
    )
    minutes: int | None = Field(
        default=None, ge=5, le=1440, description="Length of a session; none: the lab's own."
    )
    groups: list[_Group] | None = Field(
        default=None, min_length=1, description="Class groups that may choose it; none: everybody."
    )

    @model_validator(mode="after")
    def _gpu_memory_belongs_to_a_gpu(self) -> Size:
        if self.gpu_memory_gb and not self.gpus:
            raise ValueError("gpu_memory_gb: a size without a GPU has no GPU memory")
        return self

    def numbers(self, own: Numbers) -> Numbers:
        """What a session of this size has; `own` are the numbers of what runs in it.

        The session's cards have what the lab asks for where the size leaves it open.
        """
        return Numbers(
            cpus=self.cpus,
            memory_gb=self.memory_gb,
            gpus=self.gpus,
            gpu_memory_gb=self.gpu_memory_gb or (own.gpu_memory_gb if self.gpus else 0),
            minutes=self.minutes or own.minutes,
        )

    def open_to(self, groups: Iterable[str]) -> bool:
        """True where somebody in class groups `groups` may choose it."""
        return self.groups is None or not set(self.groups).isdisjoint(groups)


class Sizes:
    """The sizes of one list, in its order."""

    def __init__(self, sizes: Sequence[Size]) -> None:
        self.all = list(sizes)
        self._by_id = {size.id: size for size in self.all}

    @property
    def ids(self) -> list[str]:
        """Their ids, in their order."""
        return [size.id for size in self.all]

    def size(self, id: str) -> Size:
        """The size of that id; UnknownSize names the nearest."""
        if id in self._by_id:
            return self._by_id[id]
        raise UnknownSize(
            "There is no size '{id}'.{hint}",
            given=id,
            allowed=self.ids,
            do="Choose one that `./radlab size list` shows, or leave the size out.",
            id=id,
            hint=nearest(id, self.ids),
        )

    def open_to(self, groups: Iterable[str]) -> list[Size]:
        """Those that somebody in class groups `groups` may choose, in order of the list."""
        groups = set(groups)
        return [size for size in self.all if size.open_to(groups)]

    def __iter__(self) -> Iterator[Size]:
        return iter(self.all)

    def __len__(self) -> int:
        return len(self.all)

    def __contains__(self, id: object) -> bool:
        return id in self._by_id


def lacking(has: Numbers, needs: Numbers) -> tuple[str, ...]:
    """The fields in which `has` is less than `needs`; none where it fits."""
    names = (field.name for field in fields(Numbers))
    return tuple(name for name in names if getattr(has, name) < getattr(needs, name))


def by_size(numbers: Numbers) -> tuple[float, ...]:
    """What sorts sizes, the smallest first: a GPU weighs more than memory, memory than cores."""
    return (numbers.gpus, numbers.gpu_memory_gb, numbers.memory_gb, numbers.cpus, numbers.minutes)


def load_sizes(path: Path) -> Sizes:
    """The sizes that the file at `path` lists, or the shipped ones where there is no such file.

    Read again when the file has changed. BrokenSizes says which line is wrong.
    """
    path = path if path.exists() else SHIPPED
    try:
        state = path.stat()
    except OSError as error:
        raise _broken(path, str(error)) from error
    return _read(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4)
def _read(path: Path, _written_at: int, _length: int) -> Sizes:
    try:
        facts = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _broken(path, str(error)) from error
    if not isinstance(facts, Mapping) or set(facts) != {"sizes"}:
        raise _broken(path, "it must be one list under the key 'sizes'")
    listed = facts["sizes"] or []
    if not isinstance(listed, list):
        raise _broken(path, "'sizes' must be a list")
    sizes: list[Size] = []
    for number, entry in enumerate(listed, start=1):
        size = _size(entry, number, path)
        if size.id in [other.id for other in sizes]:
            raise _broken(path, f"size {size.id}: the id stands there twice")
        sizes.append(size)
    return Sizes(sizes)


def _size(entry: Any, number: int, path: Path) -> Size:
    if not isinstance(entry, Mapping):
        raise _broken(path, f"size {number} must be lines of `name: value`")
    try:
        return Size.model_validate(entry)
    except ValidationError as error:
        name = entry.get("id", number)
        reasons = "; ".join(map(_sentence, error.errors()))
        raise _broken(path, f"size {name}: {reasons}") from error


def _sentence(problem: Any) -> str:
    place = ".".join(map(str, problem["loc"]))
    if problem["type"] == "extra_forbidden":
        return f"there is no key '{place}'.{nearest(place, Size.model_fields)}".rstrip(".")
    if problem["type"] == "missing":
        return f"the key '{place}' is missing"
    text = str(problem["msg"]).removeprefix("Value error, ")
    return f"{place}: {text} (given: {problem['input']!r})" if place else text


def _broken(path: Path, reason: str) -> BrokenSizes:
    return BrokenSizes(
        "{path} cannot be used: {reason}.",
        given=str(path),
        do="Correct that file; hub_config/offers/README.md describes it.",
        path=path,
        reason=reason.rstrip("."),
    )
