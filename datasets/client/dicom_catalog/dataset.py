"""A published version of a dataset, or a part of it: table, images, arrays for training.

`dataset.split("train")` and `dataset.where(finding="opacity")` are datasets again, over fewer rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dicom_catalog import resample
from dicom_catalog.card import Card, Target
from dicom_catalog.errors import (
    NoSuchColumn,
    NoSuchImage,
    NoSuchLabel,
    NoSuchSeries,
    NoSuchSplit,
    unknown,
)
from dicom_catalog.image import Image
from dicom_catalog.index import STORAGE_COLUMNS, Index, Row
from dicom_catalog.pictures import html_table, text_table
from dicom_catalog.series import Series
from dicom_catalog.volume import read_frames

if TYPE_CHECKING:
    from dicom_catalog.torch_dataset import TorchDataset


class Dataset:
    """Images with their labels; a list of Image by index, a table by `.table()`.

    Nothing is read from the index before it is asked for.
    """

    def __init__(
        self,
        card: Card,
        index: Index,
        rows: pd.DataFrame | None = None,
        whole: Dataset | None = None,
    ) -> None:
        self.folder = index.folder
        self.card = card
        self.label_columns = list(index.label_columns)
        self._index = index
        self._part_rows = rows
        # None, not self: MONAI's DataLoader walks all attributes and would never end.
        self._whole = whole

    @cached_property
    def _rows(self) -> pd.DataFrame:
        rows = self._index.images() if self._part_rows is None else self._part_rows
        return rows.reset_index(drop=True)

    @cached_property
    def _records(self) -> list[Row]:
        return [{str(name): value for name, value in row.items()} for row in self._row_dicts()]

    def _row_dicts(self) -> list[dict[Any, Any]]:
        # None instead of NaN in columns of texts, numbers as Python has them.
        return self._rows.to_dict("records")

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
    def target(self) -> str | None:
        """The column that the card names as what there is to predict, None where it names none."""
        return self.card.target.column if self.card.target else None

    @property
    def classes(self) -> tuple[str, ...]:
        """The target's classes; the place in this tuple is the number in `arrays()`."""
        return self.card.target.classes if self.card.target else ()

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
        if column is None:
            raise NoSuchColumn(
                f"The card of {self.name} names nothing to predict. Name a column: target='...'. "
                f"There is: {', '.join(self.label_columns) or 'none'}.",
                given=target,
                allowed=self.label_columns,
            )
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
        own window, shrunk by area average with their shape kept, on black; of an image of several
        frames the middle one. Labels are int64 (n,). `progress` is called with (done, all). In the
        order of `table()`.
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

    @property
    def series(self) -> Sequence[Series]:
        """The series that these images belong to, whole, in the order of the table."""
        return _SeriesList(self)

    def one_series(self, uid: str) -> Series:
        """The series with this Series Instance UID."""
        known = self._series_uids
        if uid not in known:
            raise unknown(NoSuchSeries, f"series in {self.name}", uid, known)
        # The images are made when they are asked for; the array needs the index alone.
        made = partial((self._whole or self)._images_of, uid)
        return Series(self._index.series(uid)[0], made, index=self._index)

    @cached_property
    def _series_uids(self) -> list[str]:
        if self._part_rows is None:
            return self._index.series_uids()
        return list(self._places_by_series)

    @cached_property
    def _places_by_series(self) -> dict[str, list[int]]:
        places: dict[str, list[int]] = {}
        for number, uid in enumerate(self._rows["series_uid"]):
            places.setdefault(str(uid), []).append(number)
        return places

    def _images_of(self, uid: str) -> list[Image]:
        return [self[number] for number in self._places_by_series[uid]]

    def series_table(self) -> pd.DataFrame:
        """One row a series: patient, split, the labels that all its images share, geometry.

        In the order of `series`. A label that differs between its images is left empty.
        """
        known = {row["series_uid"]: row for row in self._index.series()}
        lines = []
        for uid, part in self._rows.groupby("series_uid", sort=False):
            shared = {name: _shared(part[name]) for name in self.label_columns}
            first = part.iloc[0]
            plane = {name: first[name] for name in _PLANE}
            row = {k: v for k, v in known[uid].items() if k not in ("patient_id", "affine")}
            line = {"patient_id": first["patient_id"], "split": first["split"]}
            lines.append({**line, **shared, **row, **plane})
        return pd.DataFrame(lines)

    def items(self, **options: Any) -> list[dict[str, Any]]:
        """MONAI-ready dictionaries, one an image or a series; see `learning.items`."""
        from dicom_catalog.learning import items

        return items(self, **options)

    def to_monai(self, **options: Any) -> list[dict[str, Any]]:
        """The same as `items()`: what a MONAI Dataset takes as `data`."""
        return self.items(**options)

    def torch(self, **options: Any) -> TorchDataset:
        """A torch Dataset with a cache that processes share; see `torch_dataset.TorchDataset`."""
        from dicom_catalog.torch_dataset import TorchDataset

        return TorchDataset(self, **options)

    def _part(self, chosen: pd.Series[bool]) -> Dataset:
        return Dataset(self.card, self._index, self._rows[chosen], self._whole or self)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, number: int) -> Image:
        if not -len(self) <= number < len(self):
            raise NoSuchImage(
                f"{self.name} has no image {number}: it has {len(self)}, numbered from 0 to "
                f"{len(self) - 1}.",
                given=number,
            )
        row = self._records[number]
        labels = {name: row[name] for name in self.label_columns}
        return Image(row, self.folder / row["path"], labels, self.target, index=self._index)

    def __iter__(self) -> Iterator[Image]:
        return (self[number] for number in range(len(self)))

    def _facts(self) -> list[tuple[str, str]]:
        card = self.card
        count = f"{len(self)} of {len(self.patients)} patients, {card.modality}"
        facts = [("images", count)]
        series = self._rows["series_uid"].nunique()
        if series != len(self):
            facts.append(("series", str(series)))
        facts.append(("splits", ", ".join(f"{name} {n}" for name, n in self.splits.items())))
        if card.target:
            facts.append(("target", f"{card.target.column}: {self._counted(card.target)}"))
        if card.structures:
            facts.append(("marked", ", ".join(map(card.structure, card.structures))))
        facts += [("source", card.source), ("licence", card.licence)]
        return [*facts, ("limits", " ".join(card.limits))]

    def _counted(self, target: Target) -> str:
        counts = self._rows[target.column].value_counts()
        return ", ".join(
            f"{label} {counts.get(label, 0)} ({target.name(label)})" for label in target.classes
        )

    def __repr__(self) -> str:
        head = f"{self.name}@{self.version}: {self.card.title}"
        return head + "\n" + text_table(("", ""), self._facts()).lstrip("\n")

    def _repr_html_(self) -> str:
        return f"<h4>{self.name}@{self.version}: {self.card.title}</h4>" + html_table(
            ("", ""), self._facts()
        )


class _SeriesList(Sequence[Series]):
    """The series of a dataset, each made when it is asked for."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._uids = dataset._series_uids

    def __len__(self) -> int:
        return len(self._uids)

    @overload
    def __getitem__(self, number: int) -> Series: ...

    @overload
    def __getitem__(self, number: slice) -> list[Series]: ...

    def __getitem__(self, number: int | slice) -> Series | list[Series]:
        if isinstance(number, slice):
            return [self._dataset.one_series(uid) for uid in self._uids[number]]
        if not -len(self) <= number < len(self):
            raise NoSuchSeries(
                f"{self._dataset.name} has no series {number}: it has {len(self)}, numbered from "
                f"0 to {len(self) - 1}.",
                given=number,
            )
        return self._dataset.one_series(self._uids[number])

    def __iter__(self) -> Iterator[Series]:
        return map(self._dataset.one_series, self._uids)

    def __repr__(self) -> str:
        return f"<{len(self)} series of {self._dataset.name}@{self._dataset.version}>"


_PLANE = ("rows", "columns", "row_spacing", "column_spacing")


def _shared(column: pd.Series[Any]) -> Any:
    return column.iloc[0] if column.nunique(dropna=False) == 1 else None


def _channels_first(image: Image, size: int, colour: bool) -> NDArray[np.float32]:
    # Shrunk before the window: the smaller array is windowed, and both are means of grey values
    # but where a window cuts a noisy pixel off. The border is black whatever the photometric.
    values = read_frames([image.frames[len(image.frames) // 2]], "rescaled")[0]
    grey = image.grey(resample.shrink(values, size))
    square = resample.centre(grey, size)
    if square.ndim == 3:
        return np.moveaxis(square, -1, 0)
    return np.repeat(square[None], 3, axis=0) if colour else square[None]
