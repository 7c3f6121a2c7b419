"""What a dataset says about itself: read from the `card.json` of a published version.

The archive writes the card and checks it against its schema; the client only reads it, so that a
student's container needs no YAML and no validation library.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dicom_catalog.errors import NotReadable

Texts = Mapping[str, str]


def in_language(texts: Texts, language: str | None = None) -> str:
    """The text in `language` (default: RADLAB_LANGUAGE), else in English, else in any."""
    wanted = language or os.environ.get("RADLAB_LANGUAGE", "en")
    return texts.get(wanted) or texts.get("en") or next(iter(texts.values()), "")


@dataclass(frozen=True)
class Target:
    """What there is to predict: a column of the table and its classes, in order of their number."""

    column: str
    classes: tuple[str, ...]
    names: Mapping[str, Texts] = field(default_factory=dict)

    def number(self, label: str) -> int:
        """The class number of a label; 0 is the first class of the card."""
        return self.classes.index(label)

    def name(self, label: str, language: str | None = None) -> str:
        """How people call this class, in the session's language."""
        return in_language(self.names.get(label, {}), language) or label


@dataclass(frozen=True)
class Card:
    """Title, task, target, source, licence, population and known limits of one version.

    `target` is None where there is no class to predict; `structures` are the names of segments and
    boxes, with how people call them.
    """

    name: str
    version: str
    titles: Texts
    modality: str
    task: str
    target: Target | None
    source: str
    licence: str
    population: str
    limit_texts: tuple[Texts, ...]
    synthetic: bool
    deidentified: str
    citation: str = ""
    structures: Mapping[str, Texts] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The title in the session's language."""
        return in_language(self.titles)

    @property
    def limits(self) -> tuple[str, ...]:
        """What is known to be wrong or missing, in the session's language."""
        return tuple(in_language(texts) for texts in self.limit_texts)

    def structure(self, name: str, language: str | None = None) -> str:
        """How people call what a segment or box names, in the session's language."""
        return in_language(self.structures.get(name, {}), language) or name


def read_card(path: Path) -> Card:
    """The card at `path`; NotReadable where it is absent or not a card."""
    try:
        given: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        target = given.get("target")
        return Card(
            name=given["name"],
            version=given["version"],
            titles=given["titles"],
            modality=given["modality"],
            task=given["task"],
            target=target and _target(target),
            source=given["source"],
            licence=given["licence"],
            population=given["population"],
            limit_texts=tuple(_texts(limit) for limit in given["limits"]),
            synthetic=given["synthetic"],
            deidentified=given["deidentified"],
            citation=given.get("citation") or "",
            structures=given.get("structures") or {},
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotReadable(
            f"{path} is no card of a published dataset ({error}). Ask your administrator to run "
            "'radlab dataset verify' on it.",
            given=str(path),
        ) from error


def _target(given: Mapping[str, Any]) -> Target:
    return Target(given["column"], tuple(given["classes"]), given.get("names") or {})


def _texts(given: str | Texts) -> Texts:
    return {"en": given} if isinstance(given, str) else given
