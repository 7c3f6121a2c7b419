"""A teacher's table of labels: which row belongs to which image, and what there is to predict.

A row may name its image by SOP Instance UID, by path, file name or file name without its ending,
or its patient. Which column does so is found by trying: the one that names the most images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from dicom_archive.errors import BadLabels
from dicom_archive.instance import sound_labels
from dicom_catalog.errors import NoSuchColumn, unknown
from dicom_catalog.index import IMAGE_COLUMNS

MOST_CLASSES = 20


@dataclass(frozen=True)
class Key:
    """By what an image can be named in a table."""

    path: str
    uid: str | None = None
    patient: str | None = None

    def of_image(self) -> tuple[str, ...]:
        """UID, path, file name and file name without its ending."""
        name = PurePosixPath(self.path)
        return tuple(key for key in (self.uid, self.path, name.name, name.stem) if key)


class LabelTable:
    """The rows of a CSV file, found again by image or patient."""

    def __init__(self, path: Path) -> None:
        """Read the table at `path`; BadLabels where it is none."""
        self.name = path.name
        try:
            # As texts first: an identifier such as 007 or 1e5 is not a number.
            self._texts = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        except (OSError, ValueError) as error:
            raise BadLabels(f"{path.name} cannot be read as a CSV table: {error}.") from error
        if self._texts.empty:
            raise BadLabels(f"{path.name} has no rows.")
        self._texts = self._texts.apply(lambda column: column.str.strip())
        self._numeric = {name: _is_numeric(self._texts[name]) for name in self._texts.columns}

    def __len__(self) -> int:
        return len(self._texts)

    @property
    def columns(self) -> list[str]:
        """Names of all columns."""
        return [str(name) for name in self._texts.columns]

    def column(self, name: str) -> str:
        """`name` where there is such a column; BadLabels names the nearest."""
        if name not in self.columns:
            raise BadLabels(
                str(unknown(NoSuchColumn, f"column of {self.name}", name, self.columns))
            )
        return name

    def match(self, keys: Sequence[Key], column: str | None) -> tuple[str, dict[str, int]]:
        """The column that names images and the row number of each matched image's path."""
        names = [self.column(column)] if column else self.columns
        found = [(name, self._matched(keys, name, patients=False)) for name in names]
        found += [(name, self._matched(keys, name, patients=True)) for name in names]
        # max() takes the first of equals: images before patients, left before right.
        best, rows = max(found, key=lambda pair: len(pair[1]))
        if not rows:
            said = f"column '{column}'" if column else "no column"
            example = ", ".join(keys[0].of_image()[:3]) if keys else "none"
            raise BadLabels(
                f"{self.name}: {said} {'names none' if column else 'names any'} of the images. "
                f"An image is named by its UID or its file ({example}), or by its patient; say "
                "which column does so with --file-column."
            )
        return best, rows

    def _matched(self, keys: Sequence[Key], column: str, patients: bool) -> dict[str, int]:
        values = self._texts[column]
        # A value on two lines names no row, so a column of sexes or dates names nobody.
        known = values[~values.duplicated(keep=False)]
        rows = {str(value): int(str(number)) for number, value in known.items() if value}
        found = {}
        for key in keys:
            tried = ((key.patient,) if key.patient else ()) if patients else key.of_image()
            row = next((rows[text] for text in tried if text in rows), None)
            if row is not None:
                found[key.path] = row
        return found

    def text(self, row: int, column: str) -> str:
        """One cell as it stands in the file."""
        return str(self._texts.at[row, column])

    def labels(self, row: int, names: Mapping[str, str], target: str) -> dict[str, Any]:
        """The cells of a row by their published names: numbers where a column is numeric."""
        found = {}
        for column, published in names.items():
            text = self.text(row, column)
            numeric = column != target and self._numeric[column]
            found[published] = None if text == "" else (_number(text) if numeric else text)
        # Here already, because a report of what is marked has the labels, too.
        return sound_labels(found)

    def classes(self, rows: Sequence[int], target: str) -> list[str]:
        """Sorted values of the target over `rows`; BadLabels where they are no classes."""
        values = sorted({self.text(row, self.column(target)) for row in rows} - {""})
        if not 2 <= len(values) <= MOST_CLASSES:
            raise BadLabels(
                f"{self.name}: the target column '{target}' has {len(values)} different values "
                f"for these images; a target has 2 to {MOST_CLASSES} classes. Name another column "
                f"with --target: {', '.join(self.columns)}."
            )
        return values


def published_names(columns: Sequence[str]) -> dict[str, str]:
    """What each column is called in the index: names that the index itself uses get a prefix."""
    taken = {name.lower() for name in IMAGE_COLUMNS}
    names = {}
    for column in columns:
        name = column.strip() or "column"
        while name.lower() in taken:
            name = f"label_{name}"
        taken.add(name.lower())
        names[column] = name
    return names


def _number(text: str) -> float | int:
    try:
        return int(text)  # not by way of a float, which has 53 bits
    except ValueError:
        value = float(text)
    whole = abs(value) < 2**63 and value == int(value)
    return int(value) if whole and "." not in text else value


def _is_numeric(values: pd.Series[str]) -> bool:
    plain = values[values != ""]
    numbers = pd.to_numeric(plain, errors="coerce")
    # 007 may be an identifier: a column that has such a value stays text.
    padded = plain.str.fullmatch(r"0\d+").any()
    return bool(len(plain) and numbers.notna().all() and not padded)
