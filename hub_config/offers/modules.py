"""Course modules on offer: what `module.yaml` says, and the newest built version of each.

`courses/<id>/module.yaml` is a module's only metadata. `lessons.py` builds it into
`<state>/modules/<id>/<version>/`, with the same facts as `module.json`; the launch page and the
spawner read those built folders, never the checkout.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from hub_config.errors import BadInput, NotFound, nearest

METADATA = "module.yaml"
BUILT_METADATA = "module.json"
NOTEBOOKS = {"en": "lesson.ipynb", "zh_CN": "lesson.zh.ipynb"}
_ID = r"^\d{2}_[a-z][a-z0-9]*(_[a-z0-9]+)*$"
_VERSION = r"^(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}$"


class UnknownModule(NotFound):
    """No such module is published."""

    code = "unknown_module"


class BrokenModule(BadInput):
    """A module's files say something that cannot be."""

    code = "broken_module"


def _distinct(values: list[str]) -> list[str]:
    if len(set(values)) != len(values):
        raise ValueError("each may stand there once")
    return values


_Line = Annotated[str, Field(min_length=1)]
_Names = Annotated[list[_Line], AfterValidator(_distinct)]


class Budget(BaseModel):
    """What a page may take in one profile, and the parameters that make it fit."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    seconds: int = Field(ge=1, le=3600, description="Seconds for the whole notebook, at most.")
    memory_gb: float | None = Field(default=None, gt=0, description="Memory it was made for.")
    gpu_memory_gb: float | None = Field(
        default=None, gt=0, description="GPU memory from which on this profile is chosen."
    )
    set: dict[str, bool | int | float | str] = Field(
        default={}, description="Parameters of the notebook, by name."
    )


class Module(BaseModel):
    """One course module in one version; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    id: str = Field(pattern=_ID, description="Name of its folder: two digits, then words.")
    version: str = Field(pattern=_VERSION, description="Raised with every change of the module.")
    title: dict[str, _Line] = Field(description="One line in each language.")
    summary: dict[str, _Line] = Field(description="One sentence in each language.")
    objectives: dict[str, Annotated[list[_Line], Field(min_length=1)]] = Field(
        description="What a student can do afterwards, in each language."
    )
    minutes: int = Field(ge=5, le=1440, description="Length of the session that it starts.")
    image: _Line = Field(description="Image of `images/catalog.yaml` that it runs in.")
    gpus: int = Field(default=0, ge=0, le=16, description="GPUs that its session holds.")
    cpu_ok: bool = Field(default=False, description="True: each GPU cell has a CPU twin.")
    cpus: float | None = Field(default=None, gt=0, le=256, description="CPU cores.")
    memory_gb: float | None = Field(default=None, gt=0, le=4096, description="Memory in GB.")
    gpu_memory_gb: float | None = Field(
        default=None, gt=0, le=1024, description="Memory of each GPU in GB; none: any card serves."
    )
    datasets: _Names = Field(default=[], description="Datasets that it reads.")
    languages: _Names = Field(description="Languages that it is written in; `en` is one.")
    order: int = Field(ge=0, description="Place among the modules.")
    budgets: dict[str, Budget] = Field(
        default={}, description="What the page may take, by profile: class, ci, gpu_short ..."
    )
    changes: dict[str, _Line] | None = Field(
        default=None, description="What is new in this version, in each language."
    )
    source: dict[str, str] | None = Field(
        default=None,
        description="Address and commit that it was published from.",
    )

    @model_validator(mode="after")
    def _parts_agree(self) -> Module:
        unknown = [name for name in self.languages if name not in NOTEBOOKS]
        if unknown:
            raise ValueError(f"languages: '{unknown[0]}' is none of {', '.join(NOTEBOOKS)}")
        if "en" not in self.languages:
            raise ValueError("languages: 'en' is the source and must be one of them")
        if self.gpu_memory_gb and not self.gpus:
            raise ValueError("gpu_memory_gb: a module without a GPU asks for no GPU memory")
        for field in ("title", "summary", "objectives", "changes"):
            if getattr(self, field) is None:
                continue
            have, want = set(getattr(self, field)), set(self.languages)
            if have != want:
                wrong = ", ".join(sorted(have ^ want))
                raise ValueError(f"{field}: wants the module's languages and no other: {wrong}")
        return self

    def changes_in(self, language: str) -> str:
        """What is new in this version; nothing where its author said nothing."""
        return self.changes[self.language(language)] if self.changes else ""

    @property
    def folder(self) -> str:
        """Where it lies below the modules folder, on the host as in a container."""
        return f"{self.id}/{self.version}"

    @property
    def rank(self) -> tuple[int, int, int]:
        """Its version as numbers that compare."""
        return version_rank(self.version)

    def language(self, wanted: str) -> str:
        """The language to show it in: the wanted one where it is written in that, else English."""
        return wanted if wanted in self.languages else "en"

    def notebook(self, language: str) -> str:
        """File name of its first notebook in that language, in English where there is none."""
        return NOTEBOOKS[self.language(language)]

    def title_in(self, language: str) -> str:
        """Its title in that language, in English where there is none."""
        return self.title[self.language(language)]

    def summary_in(self, language: str) -> str:
        """Its summary in that language, in English where there is none."""
        return self.summary[self.language(language)]

    def objectives_in(self, language: str) -> list[str]:
        """Its objectives in that language, in English where there is none."""
        return self.objectives[self.language(language)]


class Modules:
    """The modules on offer, in their order."""

    def __init__(self, modules: Sequence[Module]) -> None:
        self.all = sorted(modules, key=lambda module: (module.order, module.id))
        self._by_id = {module.id: module for module in self.all}

    @property
    def ids(self) -> list[str]:
        """Their ids, in their order."""
        return [module.id for module in self.all]

    def module(self, id: str) -> Module:
        """The module of that id; UnknownModule names the nearest."""
        if id in self._by_id:
            return self._by_id[id]
        raise UnknownModule(
            "There is no course module '{id}'.{hint}",
            given=id,
            allowed=self.ids,
            do="Choose one of the list, or publish it with `./radlab course build`.",
            id=id,
            hint=nearest(id, self.ids),
        )

    def __iter__(self) -> Iterator[Module]:
        return iter(self.all)

    def __len__(self) -> int:
        return len(self.all)

    def __contains__(self, id: object) -> bool:
        return id in self._by_id


def load_modules(folder: Path) -> Modules:
    """The newest built version of each module in `folder`; none where there is no such folder."""
    newest = [versions[-1] for versions in published_versions(folder).values() if versions]
    return Modules(newest)


def published_versions(folder: Path) -> dict[str, list[Module]]:
    """All built versions of each module in `folder`, oldest first."""
    found: dict[str, list[Module]] = {}
    for path in sorted(Path(folder).glob(f"*/*/{BUILT_METADATA}")):
        if re.match(_ID, path.parts[-3]) and re.match(_VERSION, path.parts[-2]):
            found.setdefault(path.parts[-3], []).append(read_built(path))
    for versions in found.values():
        versions.sort(key=lambda module: module.rank)
    return found


def read_module(folder: Path) -> Module:
    """The module whose source lies in `folder`, from its `module.yaml`."""
    path = Path(folder) / METADATA
    try:
        facts = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _broken(path, _reason(error)) from error
    module = _module(facts, path)
    if module.id != path.resolve().parent.name:
        raise _broken(path, f"id: '{module.id}' is not the name of its folder")
    return module


def version_rank(version: str) -> tuple[int, int, int]:
    """A version as three numbers that compare."""
    major, minor, patch = map(int, version.split("."))
    return major, minor, patch


def next_version(version: str) -> str:
    """The smallest version above this one."""
    major, minor, patch = version_rank(version)
    return f"{major}.{minor}.{patch + 1}"


def read_built(path: Path) -> Module:
    """A published module, from its `module.json`; BrokenModule where that cannot be read."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _broken(path, _reason(error)) from error
    module = _module(facts, path)
    if path.parts[-3:-1] != (module.id, module.version):
        raise _broken(path, f"it says {module.folder}, which is not where it lies")
    return module


def _module(facts: Any, path: Path) -> Module:
    if not isinstance(facts, Mapping):
        raise _broken(path, "it must be lines of `name: value`")
    try:
        return Module.model_validate(facts)
    except ValidationError as error:
        raise _broken(path, "; ".join(map(_sentence, error.errors()))) from error


def _sentence(problem: Any) -> str:
    place = ".".join(map(str, problem["loc"]))
    if problem["type"] == "extra_forbidden":
        return f"there is no key '{place}'.{nearest(place, Module.model_fields)}".rstrip(".")
    if problem["type"] == "missing":
        return f"the key '{place}' is missing"
    text = str(problem["msg"]).removeprefix("Value error, ")
    return f"{place}: {text} (given: {problem['input']!r})" if place else text


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _broken(path: Path, reason: str) -> BrokenModule:
    return BrokenModule(
        "{path} cannot be used: {reason}.",
        given=str(path),
        do="Correct that file; courses/README.md describes it.",
        path=path,
        reason=reason.rstrip("."),
    )
