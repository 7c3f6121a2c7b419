"""A published version of a dataset, or a part of it: table, images, arrays for training.

`dataset.split("train")` and `dataset.where(finding="opacity")` are datasets again, over fewer rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dicom_catalog import resample
from dicom_catalog.card import Card
from dicom_catalog.errors import (
    NoSuchColumn,
    NoSuchImage,
    NoSuchLabel,
    NoSuchSplit,
    unknown,
)
from dicom_catalog.image import Image
from dicom_catalog.index import STORAGE_COLUMNS
from dicom_catalog.pictures import html_table, text_table


class Dataset:
    """Images with their labels; a list of Image by index, a table by `.table()`."""

    def __init__(
        self, folder: Path, card: Card, rows: pd.DataFrame, label_columns: list[str]
    ) -> None:
        self.folder = folder
        self.card = card
        self.label_columns = list(label_columns)
        self._rows = rows.reset_index(drop=True)

    @property
    def name(self) -> str:
        """The name by which the catalog knows it."""
        return self.card.name

    @property
    def version(self) -> str:
        """The version; the bytes of a version never change."""
        return self.card.version

    @property
    def licence(self) -> str:
        """Under which licence the images may be used."""
        return self.card.licence

    @property
    def target(self) -> str:
        """The column that the card names as what there is to predict."""
        return self.card.target.column

    @property
    def classes(self) -> tuple[str, ...]:
        """The target's classes; the place in this tuple is the number in `arrays()`."""
        return self.card.target.classes

    @property
    def splits(self) -> dict[str, int]:
        """Images in each split; a patient is in one split only."""
        counts = self._rows["split"].value_counts()
        order = [name for name in ("train", "validation", "test") if name in counts]
        order += sorted(set(counts.index) - set(order))
        return {name: int(counts[name]) for name in order}

    @property
    def patients(self) -> list[str]:
        """Pseudonyms of the patients, sorted."""
        return sorted(self._rows["patient_id"].unique())

    def table(self) -> pd.DataFrame:
        """One row an image: patient, split, labels, measurements, UIDs, geometry and path.

        A copy, in the order of `dataset[0]`, `dataset[1]` ... and of `arrays()`.
        """
        hidden = set(STORAGE_COLUMNS)
        first = ["patient_id", "split", *self.label_columns]
        rest = [name for name in self._rows.columns if name not in hidden and name not in first]
        table = self._rows[[*first, *rest]].copy()
        table["path"] = [str(self.folder / path) for path in table["path"]]
        return table

    def split(self, name: str) -> Dataset:
        """The images of one split: `train`, `validation` or `test`."""
        if name not in self.splits:
            raise unknown(NoSuchSplit, f"split of {self.name}", name, self.splits)
        return self._part(self._rows["split"] == name)

    def where(self, **labels: Any) -> Dataset:
        """The images whose columns have these values: `where(finding="opacity")`."""
        chosen = pd.Series(True, index=self._rows.index)
        for column, value in labels.items():
            known = self.column(column)
            if not (known == value).any():
                values = sorted(map(str, known.dropna().unique()))
                raise unknown(NoSuchLabel, f"value in '{column}' of {self.name}", value, values)
            chosen &= known == value
        return self._part(chosen)

    def column(self, name: str) -> pd.Series[Any]:
        """One column of the table, NoSuchColumn with the nearest name where it has none."""
        known = self.table()
        if name not in known.columns:
            raise unknown(NoSuchColumn, f"column of {self.name}", name, known.columns)
        return known[name]

    def image(self, uid: str) -> Image:
        """The image with this SOP Instance UID."""
        found = np.flatnonzero(self._rows["instance_uid"] == uid)
        if len(found) == 0:
            raise unknown(NoSuchImage, f"image in {self.name}", uid, self._rows["instance_uid"])
        return self[int(found[0])]

    def labels(self, target: str | None = None) -> NDArray[np.int64]:
        """Class numbers of all images, (n,); those of another column are numbered as sorted."""
        column = target or self.target
        values = self.column(column)
        classes = list(self.classes)
        if column != self.target:
            classes = sorted(values.dropna().unique())
        numbers = {label: number for number, label in enumerate(classes)}
        wrong = [value for value in values.unique() if value not in numbers]
        if wrong:
            raise unknown(NoSuchLabel, f"class in '{column}'", wrong[0], classes)
        return np.array([numbers[value] for value in values], dtype=np.int64)

    def arrays(
        self,
        size: int = 128,
        *,
        target: str | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """All images and their class numbers, ready for training.

        Images are float32 (n, 1, size, size), colour (n, 3, size, size): grey 0..1 by each image's
        own window, shrunk by area average with their shape kept, on black. Labels are int64 (n,).
        `progress` is called with (done, all). In the order of `table()`.
        """
        labels = self.labels(target)
        colour = bool((self._rows["samples"] > 1).any())
        images = np.zeros((len(self), 3 if colour else 1, size, size), dtype=np.float32)

        def read(number: int) -> None:
            images[number] = _channels_first(self[number], size, colour)

        with ThreadPoolExecutor(max_workers=4) as pool:
            for done, _ in enumerate(pool.map(read, range(len(self))), start=1):
                if progress is not None:
                    progress(done, len(self))
        return images, labels

    def _part(self, chosen: pd.Series[bool]) -> Dataset:
        return Dataset(self.folder, self.card, self._rows[chosen], self.label_columns)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, number: int) -> Image:
        if not -len(self) <= number < len(self):
            raise NoSuchImage(
                f"{self.name} has no image {number}: it has {len(self)}, numbered from 0 to "
                f"{len(self) - 1}.",
                given=number,
            )
        row = {str(name): value for name, value in self._rows.iloc[number].items()}
        labels = {name: row[name] for name in self.label_columns}
        return Image(row, self.folder / row["path"], labels, self.target)

    def __iter__(self) -> Iterator[Image]:
        return (self[number] for number in range(len(self)))

    def _facts(self) -> list[tuple[str, str]]:
        card, target = self.card, self.card.target
        counts = self._rows[target.column].value_counts()
        classes = ", ".join(
            f"{label} {counts.get(label, 0)} ({target.name(label)})" for label in target.classes
        )
        return [
            ("images", f"{len(self)} of {len(self.patients)} patients, {card.modality}"),
            ("splits", ", ".join(f"{name} {count}" for name, count in self.splits.items())),
            ("target", f"{target.column}: {classes}"),
            ("source", card.source),
            ("licence", card.licence),
            ("limits", " ".join(card.limits)),
        ]

    def __repr__(self) -> str:
        head = f"{self.name}@{self.version}: {self.card.title}"
        return head + "\n" + text_table(("", ""), self._facts()).lstrip("\n")

    def _repr_html_(self) -> str:
        return f"<h4>{self.name}@{self.version}: {self.card.title}</h4>" + html_table(
            ("", ""), self._facts()
        )


def _channels_first(image: Image, size: int, colour: bool) -> NDArray[np.float32]:
    # Shrunk before the window: the smaller array is windowed, and both are means of grey values
    # but where a window cuts a noisy pixel off. The border is black whatever the photometric.
    values = image.values
    grey = image.grey(resample.shrink(values, size))
    square = resample.centre(grey, size)
    if square.ndim == 3:
        return np.moveaxis(square, -1, 0)
    return np.repeat(square[None], 3, axis=0) if colour else square[None]
