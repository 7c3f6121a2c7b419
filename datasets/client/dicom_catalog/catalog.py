"""What is mounted: `Catalog()` finds it, `Catalog()["chest-film"]` opens it.

Datasets lie as `<root>/<name>/<version>/`, read-only. The root is RADLAB_DATASETS where that is
set (RadLab sets it in every student's container), else `/datasets`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from dicom_catalog.card import read_card
from dicom_catalog.dataset import Dataset
from dicom_catalog.errors import NoSuchDataset, NoSuchVersion, NotMounted, unknown
from dicom_catalog.index import INDEX_NAME, read_index
from dicom_catalog.pictures import html_table, text_table

DEFAULT_ROOT = "/datasets"
CARD_NAME = "card.json"
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
        """Names of the datasets, sorted."""
        folders = (path for path in self.root.iterdir() if path.is_dir())
        return sorted(path.name for path in folders if _versions_in(path))

    def versions(self, name: str) -> list[str]:
        """Versions of a dataset, the oldest first."""
        if name not in self.names:
            if not self.names:
                raise NotMounted(
                    f"There is no dataset in {self.root}. Ask your administrator to run "
                    "'radlab dataset generate chest-film'.",
                    given=name,
                )
            raise unknown(NoSuchDataset, "dataset", name, self.names)
        return _versions_in(self.root / name)

    def __getitem__(self, name: str) -> Dataset:
        """The dataset `name` in its newest version, or `name@version` in that one."""
        name, _, version = name.partition("@")
        versions = self.versions(name)
        if version and version not in versions:
            raise unknown(NoSuchVersion, f"version of {name}", version, versions)
        folder = self.root / name / (version or versions[-1])
        rows, labels = read_index(folder)
        return Dataset(folder, read_card(folder / CARD_NAME), rows, labels)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def _lines(self) -> list[tuple[str, str, str, str, str]]:
        lines = []
        for name in self.names:
            versions = self.versions(name)
            card = read_card(self.root / name / versions[-1] / CARD_NAME)
            target = f"{card.target.column}: {', '.join(card.target.classes)}"
            lines.append((name, ", ".join(versions), card.title, card.modality, target))
        return lines

    def __repr__(self) -> str:
        if not self.names:
            return f"Catalog at {self.root}: empty"
        return f"Catalog at {self.root}\n" + text_table(_HEAD, self._lines())

    def _repr_html_(self) -> str:
        return html_table(_HEAD, self._lines())


_HEAD = ("dataset", "versions", "title", "modality", "target")


def _versions_in(folder: Path) -> list[str]:
    names = (path.name for path in folder.iterdir() if (path / INDEX_NAME).is_file())
    found = [name for name in names if _VERSION.fullmatch(name)]
    return sorted(found, key=lambda name: tuple(map(int, name.split("."))))
