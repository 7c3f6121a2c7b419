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
    """Title, task, target, source, licence, population and known limits of one version."""

    name: str
    version: str
    titles: Texts
    modality: str
    task: str
    target: Target
    source: str
    licence: str
    population: str
    limits: tuple[str, ...]
    synthetic: bool
    deidentified: str
    citation: str = ""

    @property
    def title(self) -> str:
        """The title in the session's language."""
        return in_language(self.titles)


def read_card(path: Path) -> Card:
    """The card at `path`; NotReadable where it is absent or not a card."""
    try:
        given: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        target = given["target"]
        return Card(
            name=given["name"],
            version=given["version"],
            titles=given["titles"],
            modality=given["modality"],
            task=given["task"],
            target=Target(target["column"], tuple(target["classes"]), target.get("names", {})),
            source=given["source"],
            licence=given["licence"],
            population=given["population"],
            limits=tuple(given["limits"]),
            synthetic=given["synthetic"],
            deidentified=given["deidentified"],
            citation=given.get("citation", ""),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotReadable(
            f"{path} is no card of a published dataset ({error}). Ask your administrator to run "
            "'radlab dataset verify' on it.",
            given=str(path),
        ) from error
