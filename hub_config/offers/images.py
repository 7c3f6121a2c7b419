"""Images on offer: what `images/catalog.yaml` says, and the built one of each.

The catalog in the checkout says what to build. Its copy in the state folder, `offers/images.yaml`,
is written after a build and also says which image of the engine is meant (`built`); launch page
and spawner read that copy, never the checkout. An empty catalog means that no image can be started.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hub_config.errors import BadInput, NotFound, Unready, nearest

_ID = r"^[a-z][a-z0-9-]{0,31}$"
_VERSION = r"^\d+(\.\d+){1,2}$"


class UnknownImage(NotFound):
    """No such image is on offer."""

    code = "unknown_image"


class BrokenCatalog(BadInput):
    """The catalog of images says something that cannot be."""

    code = "broken_image_catalog"


class ImageNotBuilt(Unready):
    """The image is in the catalog and has not been built on this machine."""

    code = "image_not_built"


_Line = Annotated[str, Field(min_length=1)]


class Text(BaseModel):
    """One text in each of the two languages."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    en: _Line = Field(description="English, the source.")
    zh_CN: _Line = Field(description="Simplified Chinese.")

    def in_language(self, language: str) -> str:
        """The text in that language, in English where there is no other."""
        return self.zh_CN if language == "zh_CN" else self.en


class Image(BaseModel):
    """One image of the catalog; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    id: str = Field(pattern=_ID, description="Its name, also in modules' `image`.")
    folder: str = Field(pattern=r"^[\w-]+$", description="Its folder beside the catalog.")
    version: str = Field(pattern=_VERSION, description="Raised when what students see changes.")
    parent: str | None = Field(
        default=None, alias="from", description="Id of the image beneath; none: Debian itself."
    )
    title: Text = Field(description="One line in each language.")
    description: Text = Field(description="One sentence in each language.")
    offered: bool = Field(description="True: students may start it without a course module.")
    cpus: float = Field(gt=0, le=256, description="CPU cores of a session, if nothing else says.")
    memory_gb: float = Field(gt=0, le=4096, description="Memory of a session in GB.")
    minutes: int = Field(ge=5, le=1440, description="Length of a session.")
    pids: int = Field(ge=64, le=65536, description="Processes and threads of a session at most.")
    torch: Literal["cpu", "cuda"] | None = Field(
        default=None, description="Which build of torch it holds; none: no torch."
    )
    sources: list[str] = Field(
        default=[], description="Folders of the checkout that its build takes in."
    )
    built: str | None = Field(
        default=None, description="Name of the built image; written by the build, not by hand."
    )

    @property
    def tag(self) -> str:
        """The engine's name for it, such as `radlab/base:1.0-3f2a9c...`; ImageNotBuilt if none."""
        if self.built:
            return self.built
        raise ImageNotBuilt(
            "The image '{id}' has not been built on this machine.",
            given=self.id,
            do="Run `./radlab image build {id}`.",
            id=self.id,
        )


class Images:
    """The images of one catalog, in its order."""

    def __init__(self, images: Sequence[Image]) -> None:
        self.all = list(images)
        self._by_id = {image.id: image for image in self.all}

    @property
    def ids(self) -> list[str]:
        """Their ids, in their order."""
        return [image.id for image in self.all]

    @property
    def offered(self) -> list[Image]:
        """Those that a student may start as "just an environment"."""
        return [image for image in self.all if image.offered]

    def image(self, id: str) -> Image:
        """The image of that id; UnknownImage names the nearest."""
        if id in self._by_id:
            return self._by_id[id]
        raise UnknownImage(
            "There is no image '{id}'.{hint}",
            given=id,
            allowed=self.ids,
            do="Choose one that `./radlab image list` shows."
            if self.all
            else "The catalog of images is empty: run `./radlab up`, or add one to "
            "images/catalog.yaml.",
            id=id,
            hint=nearest(id, self.ids),
        )

    def lineage(self, id: str) -> list[Image]:
        """The image of that id with all beneath it, the lowest first."""
        image = self.image(id)
        return [*(self.lineage(image.parent) if image.parent else []), image]

    def __iter__(self) -> Iterator[Image]:
        return iter(self.all)

    def __len__(self) -> int:
        return len(self.all)

    def __contains__(self, id: object) -> bool:
        return id in self._by_id


def load_images(path: Path) -> Images:
    """The images that the catalog at `path` lists; BrokenCatalog says which line is wrong."""
    try:
        facts = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ImageNotBuilt(
            "There is no catalog of images at {path}.",
            given=str(path),
            do="Run `./radlab up`; it builds the images and writes the catalog.",
            path=path,
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _broken(path, str(error)) from error
    if not isinstance(facts, Mapping) or set(facts) != {"images"}:
        raise _broken(path, "it must be one list under the key 'images'")
    listed = facts["images"] or []
    if not isinstance(listed, list):
        raise _broken(path, "'images' must be a list")
    images = [_image(entry, number, path) for number, entry in enumerate(listed, start=1)]
    _check_parents(images, path)
    return Images(images)


def write_images(images: Images, path: Path) -> None:
    """Write a catalog, in one step, so that no reader finds half of it."""
    facts = [image.model_dump(by_alias=True, exclude_none=True) for image in images]
    draft = Path(path).with_suffix(".tmp")
    draft.write_text(
        yaml.safe_dump({"images": facts}, sort_keys=False, allow_unicode=True), encoding="utf-8"
    )
    draft.chmod(0o644)
    draft.replace(path)


def _image(entry: Any, number: int, path: Path) -> Image:
    if not isinstance(entry, Mapping):
        raise _broken(path, f"image {number} must be lines of `name: value`")
    try:
        return Image.model_validate(entry)
    except ValidationError as error:
        name = entry.get("id", number)
        reasons = "; ".join(map(_sentence, error.errors()))
        raise _broken(path, f"image {name}: {reasons}") from error


def _check_parents(images: Sequence[Image], path: Path) -> None:
    """An image stands on one that the list names before it, so that no circle can close."""
    above: list[str] = []
    for image in images:
        if image.id in above:
            raise _broken(path, f"image {image.id}: the id stands there twice")
        if image.parent is not None and image.parent not in above:
            hint = nearest(image.parent, above)
            reason = f"'from' must be an image above it, not '{image.parent}'.{hint}"
            raise _broken(path, f"image {image.id}: {reason}")
        above.append(image.id)


def _sentence(problem: Any) -> str:
    place = ".".join(map(str, problem["loc"]))
    if problem["type"] == "extra_forbidden":
        known = [field.alias or name for name, field in Image.model_fields.items()]
        return f"there is no key '{place}'.{nearest(place, known)}".rstrip(".")
    if problem["type"] == "missing":
        return f"the key '{place}' is missing"
    return f"{place}: {problem['msg']} (given: {problem['input']!r})"


def _broken(path: Path, reason: str) -> BrokenCatalog:
    return BrokenCatalog(
        "{path} cannot be used: {reason}.",
        given=str(path),
        do="Correct that file; images/README.md describes it.",
        path=path,
        reason=reason.rstrip("."),
    )
