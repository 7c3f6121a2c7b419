"""Every refusal of the catalog, as a tree; each says what was given, what exists and what to do.

CatalogError
├── NotMounted      there is no folder of datasets, or it is empty
├── NoSuchDataset   a name that is not mounted
├── NoSuchVersion   a version that this dataset does not have
├── NoSuchSplit     a split other than train, validation, test
├── NoSuchColumn    a column that the table does not have
├── NoSuchLabel     a value that this column never takes
├── NoSuchImage     an index or a UID outside the dataset
├── NoSuchSeries    a series UID outside the dataset
├── NoSuchValues    Hounsfield units of what is no CT, SUV of what is no PET
├── NotAVolume      a series whose slices no affine describes
├── NotDecodable    compressed pixels that cannot be decoded here
├── OverlappingMasks a pixel of two structures, where one number a pixel was asked for
├── NotCacheable    a transform that cannot be told from another, or a result that cannot be kept
├── Withdrawn       a version that was taken back, with the reason
├── NoSuchKnob      a knob that a generator of sample images does not have
├── NotReadable     a published folder or file that is not as its index says
└── NotInstalled    an optional package that a picture needs
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CatalogError(Exception):
    """A refusal: `.given` is what was asked, `.allowed` what exists, the text what to do."""

    code = "catalog"

    def __init__(self, message: str, *, given: object = None, allowed: Iterable[object] = ()):
        super().__init__(message)
        self.message = message
        self.given = given
        self.allowed = list(allowed)


class NotMounted(CatalogError):
    """There is no folder of datasets here, or nothing in it."""

    code = "not-mounted"


class NoSuchDataset(CatalogError):
    """No dataset of this name is mounted."""

    code = "no-such-dataset"


class NoSuchVersion(CatalogError):
    """The dataset exists, this version of it does not."""

    code = "no-such-version"


class NoSuchSplit(CatalogError):
    """The dataset has no split of this name."""

    code = "no-such-split"


class NoSuchColumn(CatalogError):
    """The table has no column of this name."""

    code = "no-such-column"


class NoSuchLabel(CatalogError):
    """The column never takes this value."""

    code = "no-such-label"


class NoSuchImage(CatalogError):
    """The index or the UID lies outside the dataset."""

    code = "no-such-image"


class NoSuchSeries(CatalogError):
    """The series UID lies outside the dataset."""

    code = "no-such-series"


class NoSuchValues(CatalogError):
    """These pixels have no values of the kind asked for, as SUV of what is no PET."""

    code = "no-such-values"


class NotAVolume(CatalogError):
    """The slices of this series have no common grid; the text says why and what can be done."""

    code = "not-a-volume"


class NotDecodable(CatalogError):
    """Compressed pixels that no decoder here can read, or that are damaged."""

    code = "not-decodable"


class OverlappingMasks(CatalogError):
    """A pixel belongs to two structures, and a label map has one number a pixel."""

    code = "overlapping-masks"


class NotCacheable(CatalogError):
    """A transform that cannot be told from another, or a result that no file can hold."""

    code = "not-cacheable"


class Withdrawn(CatalogError):
    """The version was taken back by whoever published it; the text says why."""

    code = "withdrawn"


class NoSuchKnob(CatalogError):
    """A generator of sample images has no knob of this name."""

    code = "no-such-knob"


class NotReadable(CatalogError):
    """A published folder or file is not as its index says."""

    code = "not-readable"


class NotInstalled(CatalogError):
    """A picture was asked for that needs a package which is not here."""

    code = "not-installed"


def unknown(
    kind: type[CatalogError], what: str, given: object, known: Iterable[object]
) -> CatalogError:
    """An error of `kind` that names the nearest of `known` and lists what exists."""
    names = [str(name) for name in known]
    lowered = {name.lower(): name for name in names}
    close = difflib.get_close_matches(str(given).lower(), list(lowered), n=1, cutoff=0.4)
    hint = f" Did you mean '{lowered[close[0]]}'?" if close else ""
    shown = ", ".join(names[:12]) + (" ..." if len(names) > 12 else "")
    there = f" There is: {shown}." if names else " There is none."
    return kind(f"There is no {what} '{given}'.{hint}{there}", given=given, allowed=names)
