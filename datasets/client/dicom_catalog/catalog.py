"""What is mounted: `Catalog()` finds it, `Catalog()["chest-film"]` opens it.

Datasets lie as `<root>/<name>/<version>/`, read-only. The root is RADLAB_DATASETS where that is
set (RadLab sets it in every student's container), else `/datasets`. A version that was withdrawn
has only its card and the reason left: it is named, and refused with that reason.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dicom_catalog.card import Card, read_card
from dicom_catalog.dataset import Dataset
from dicom_catalog.errors import (
    NoSuchDataset,
    NoSuchVersion,
    NotMounted,
    NotReadable,
    Withdrawn,
    unknown,
)
from dicom_catalog.index import Index
from dicom_catalog.layout import INDEX_NAME
from dicom_catalog.pictures import html_table, text_table

DEFAULT_ROOT = "/datasets"
CARD_NAME = "card.json"
WITHDRAWN_NAME = "withdrawn.json"
_NAME = re.compile(r"[^/.][^/]*")
_VERSION = re.compile(r"\d+\.\d+\.\d+")


class Catalog:
    """All datasets that this session may see."""

    def __init__(self, root: str | Path | None = None) -> None:
        """Open the folder `root`, else that of RADLAB_DATASETS, else /datasets.

        Raises NotMounted where there is no such folder.
        """
        self.root = Path(root or os.environ.get("RADLAB_DATASETS") or DEFAULT_ROOT)
        if not self.root.is_dir():
            raise NotMounted(
                f"There are no datasets at {self.root}. In a RadLab session they are mounted at "
                f"{DEFAULT_ROOT}: start one from the launch page. Elsewhere, set RADLAB_DATASETS "
                "or give the folder: Catalog('/path/to/datasets').",
                given=str(self.root),
            )

    @property
    def names(self) -> list[str]:
        """Names of the datasets, sorted; those of which all is withdrawn included."""
        folders = (path for path in self.root.iterdir() if path.is_dir())
        return sorted(path.name for path in folders if _versions_in(path))

    def versions(self, name: str) -> list[str]:
        """Versions of a dataset that can be opened, the oldest first."""
        known = self._known(name)
        return [version for version in known if not self._is_withdrawn(name, version)]

    def withdrawn(self, name: str) -> dict[str, str]:
        """Versions of a dataset that were taken back, and why."""
        known = self._known(name)
        gone = [version for version in known if self._is_withdrawn(name, version)]
        return {version: str(self._withdrawal(name, version)["reason"]) for version in gone}

    def __getitem__(self, name: str) -> Dataset:
        """The dataset `name` in its newest version, or `name@version` in that one.

        Raises NoSuchDataset, NoSuchVersion, Withdrawn, or NotReadable for a damaged one.
        """
        name, _, version = name.partition("@")
        known = self._known(name)
        if version and version not in known:
            raise unknown(NoSuchVersion, f"version of {name}", version, known)
        version = version or (self.versions(name) or known)[-1]
        if self._is_withdrawn(name, version):
            raise self._refusal(name, version)
        folder = self.root / name / version
        index = Index(folder)
        return Dataset(read_card(folder / CARD_NAME), index)

    def _known(self, name: str) -> list[str]:
        """All versions of a dataset, withdrawn ones included."""
        known = _versions_in(self.root / name) if _NAME.fullmatch(name) else []
        if known:
            return known
        if not self.names:
            raise NotMounted(
                f"There is no dataset in {self.root}. Ask your administrator to run "
                "'radlab dataset generate chest-film'.",
                given=name,
            )
        raise unknown(NoSuchDataset, "dataset", name, self.names)

    def _is_withdrawn(self, name: str, version: str) -> bool:
        return (self.root / name / version / WITHDRAWN_NAME).is_file()

    def _withdrawal(self, name: str, version: str) -> dict[str, Any]:
        path = self.root / name / version / WITHDRAWN_NAME
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return {"reason": found["reason"], "when": found["when"], **found}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise NotReadable(
                f"{path} cannot be read ({error}); {name}@{version} is withdrawn.",
                given=str(path),
            ) from error

    def _refusal(self, name: str, version: str) -> Withdrawn:
        found = self._withdrawal(name, version)
        usable = self.versions(name)
        instead = found.get("instead") or (f"{name}@{usable[-1]}" if usable else "")
        do = f" Use {instead}." if instead else " There is no other version of it."
        return Withdrawn(
            f"{name}@{version} was withdrawn on {str(found['when'])[:10]}: {found['reason']}{do}",
            given=f"{name}@{version}",
            allowed=usable,
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def _lines(self) -> list[tuple[str, str, str, str, str]]:
        lines = []
        for name in self.names:
            known = self._known(name)
            shown = [
                f"{version} (withdrawn)" if self._is_withdrawn(name, version) else version
                for version in known
            ]
            newest = (self.versions(name) or known)[-1]
            card = read_card(self.root / name / newest / CARD_NAME)
            lines.append((name, ", ".join(shown), card.title, card.modality, _to_find(card)))
        return lines

    def __repr__(self) -> str:
        if not self.names:
            return f"Catalog at {self.root}: empty"
        return f"Catalog at {self.root}\n" + text_table(_HEAD, self._lines())

    def _repr_html_(self) -> str:
        return html_table(_HEAD, self._lines())


_HEAD = ("dataset", "versions", "title", "modality", "to find")


def _to_find(card: Card) -> str:
    if card.target:
        return f"{card.target.column}: {', '.join(card.target.classes)}"
    return ", ".join(map(card.structure, card.structures)) or card.task


def _versions_in(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    names = (path.name for path in folder.iterdir() if _is_version(path))
    found = [name for name in names if _VERSION.fullmatch(name)]
    return sorted(found, key=lambda name: tuple(map(int, name.split("."))))


def _is_version(path: Path) -> bool:
    return (path / INDEX_NAME).is_file() or (path / WITHDRAWN_NAME).is_file()
