"""The card of a dataset: what a person must know before they use it, checked against a schema.

Sample datasets have theirs in `datasets/cards/*.yaml`; an import writes one from its options.
Unknown keys are refused. The published card is JSON, which the client reads without a library.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from dicom_archive.errors import BadCard, BadName

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,46}[a-z0-9])?")
_VERSION = re.compile(r"\d{1,4}\.\d{1,4}\.\d{1,4}")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Texts(_Strict):
    """One text in the two languages of RadLab."""

    en: str = Field(min_length=1)
    zh_CN: str = Field(min_length=1)


_Text = Annotated[str, Field(min_length=1)]


class Target(_Strict):
    """What there is to predict: a column of labels, its classes in order, how people call them."""

    column: str = Field(min_length=1)
    classes: list[str] = Field(min_length=2)
    names: dict[str, Texts] = {}

    @model_validator(mode="after")
    def _classes_are_known(self) -> Target:
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("a class is named twice")
        strange = sorted(set(self.names) - set(self.classes))
        if strange:
            raise ValueError(f"names for classes that do not exist: {', '.join(strange)}")
        return self


Task = Literal[
    "classification",
    "segmentation",
    "detection",
    "fusion",
    "reconstruction",
    "registration",
    "generation",
    "exploration",
]


class Card(_Strict):
    """The card of a published version.

    `target` is what a classification predicts; `structures` are the names of the segments and boxes
    that are marked, with how people call them. A text may be given in one language or in both.
    """

    name: str
    version: str
    titles: Texts
    modality: str = Field(min_length=1)
    task: Task
    target: Target | None = None
    structures: dict[str, Texts] = {}
    source: str = Field(min_length=1)
    licence: str = Field(min_length=1)
    citation: str = ""
    population: str = Field(min_length=1)
    limits: list[_Text | Texts] = Field(min_length=1)
    synthetic: bool
    deidentified: str = Field(min_length=1)

    @field_validator("name")
    @classmethod
    def _a_name(cls, value: str) -> str:
        return checked_name(value)

    @field_validator("version")
    @classmethod
    def _a_version(cls, value: str) -> str:
        return checked_version(value)

    @model_validator(mode="after")
    def _says_what_is_learned(self) -> Card:
        if self.task == "classification" and self.target is None:
            raise ValueError("a classification needs its target: column and classes")
        if self.task in ("segmentation", "detection") and not self.structures:
            raise ValueError(f"a {self.task} needs its structures: name: {{en, zh_CN}}")
        return self


class Recipe(_Strict):
    """How a sample dataset is generated unless told otherwise."""

    patients: int = Field(ge=1)
    seed: int = Field(ge=0)


class Budgets(_Strict):
    """What the default size may cost; a test holds the generator to it."""

    megabytes: int = Field(ge=1)


class SampleCard(Card):
    """The card of a sample dataset, with its recipe and budgets."""

    generate: Recipe
    budgets: Budgets

    def published(self, version: str) -> Card:
        """The part that travels with the images, for `version`."""
        fields = self.model_dump(exclude={"generate", "budgets", "version"})
        return make_card(version=version, **fields)


def checked_name(name: str) -> str:
    """`name` where it can be a dataset's; BadName otherwise."""
    if not _NAME.fullmatch(name):
        raise BadName(
            f"'{name}' cannot be a dataset's name. Use 1 to 48 lower-case letters, digits and "
            "hyphens, such as chest-film."
        )
    return name


def checked_version(version: str) -> str:
    """`version` where it can be a version; BadName otherwise."""
    if not _VERSION.fullmatch(version):
        raise BadName(f"'{version}' cannot be a version. Use three numbers, such as 1.0.0.")
    return version


def make_card(**fields: Any) -> Card:
    """A card from its fields; BadCard names each field that is wrong."""
    try:
        return Card(**fields)
    except ValidationError as error:
        raise BadCard(f"The card cannot be made: {_reasons(error)}.") from error


def read_sample_card(path: Path) -> SampleCard:
    """The card of a sample dataset from its YAML file; BadCard names what is wrong in it."""
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
        return SampleCard(**given)
    except ValidationError as error:
        raise BadCard(f"{path.name}: {_reasons(error)}.") from error
    except (OSError, yaml.YAMLError, TypeError) as error:
        raise BadCard(f"{path.name} cannot be read as a card: {error}.") from error


def _reasons(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        place = ".".join(str(part) for part in problem["loc"])
        lines.append(f"{place}: {problem['msg']}" if place else problem["msg"])
    return "; ".join(lines)
