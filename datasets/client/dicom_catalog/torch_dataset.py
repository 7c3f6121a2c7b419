"""A dataset as a torch Dataset whose prepared items are shared by all processes of a session.

There are two caches, and neither is memory of one's own. Stored pixels are uncompressed files in a
folder that all students of a host see, so the host's page cache holds each once, for all of them.
What a deterministic `transform` makes of an item is kept in one file (`cache.py`), for all
processes of the session and for its next start; a random `augment` runs each time.

This module needs torch, and is imported only by `dataset.torch()`.
"""

from __future__ import annotations

import copy
import importlib
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dicom_catalog.cache import ItemCache
from dicom_catalog.errors import NotInstalled
from dicom_catalog.fingerprint import fingerprint
from dicom_catalog.learning import Item, Loaded
from dicom_catalog.room import find_place

if TYPE_CHECKING:
    from dicom_catalog.dataset import Dataset

Transform = Callable[[Any], Any]

try:
    torch: Any = importlib.import_module("torch")
    _TorchDataset: Any = importlib.import_module("torch.utils.data").Dataset
except ImportError as error:
    raise NotInstalled(
        "dataset.torch() needs torch, which this image does not have. Start a session with the "
        "image 'imaging', or use dataset.arrays(), which needs numpy only.",
        given="torch",
    ) from error


class TorchDataset(_TorchDataset):  # type: ignore[misc]
    """Items of a dataset as dictionaries of tensors; see `learning.Loaded` for their keys.

    `transform` takes an item of arrays and is deterministic: with `cache=True` its results are kept
    in a file and it runs once an item, whatever number of processes, workers and epochs. `augment`
    takes what `transform` gave, is random, and runs each time. A MONAI Compose may be given whole
    as `transform`: it is divided before its first random part, as MONAI's CacheDataset does.

    The cache is found by the version's root hash and by what the transform does (`fingerprint`);
    `key` names it instead. `folder` is where it lies (default: RADLAB_CACHE, else the home's disk).
    `copied=False` gives tensors that lie in the file itself: no copy, and nobody may write to them.
    Other options are those of `Loaded`: `size`, `by`, `values`, `boxes`.
    """

    def __init__(
        self,
        dataset: Dataset,
        transform: Transform | None = None,
        augment: Transform | None = None,
        *,
        cache: bool = True,
        key: str | None = None,
        folder: str | os.PathLike[str] | None = None,
        copied: bool = True,
        **options: Any,
    ) -> None:
        self.loaded = Loaded(dataset, **options)
        self.transform, self.random_part = _divided(transform)
        self.augment = augment
        self.copied = copied
        self.cache: ItemCache | None = None
        if cache:
            named = key or fingerprint(self.transform)
            name = fingerprint(self.loaded.identity, named, _versions())
            self.cache = ItemCache(f"{dataset.name}-{name}", len(self.loaded), find_place(folder))

    def __len__(self) -> int:
        return len(self.loaded)

    def __getitem__(self, number: int) -> Any:
        """Item `number` after `transform` and `augment`."""
        if number < 0:
            number += len(self)
        if not 0 <= number < len(self):
            raise IndexError(f"There is no item {number}: there are {len(self)}, from 0 on.")
        if self.cache is None:
            item = self._make(number)
        else:
            item = self.cache.fetch(number, self._make, copy=self.copied)
        for part in (self.random_part, self.augment):
            item = item if part is None else part(item)
        return item

    def _make(self, number: int) -> Any:
        item = {name: _tensor(value) for name, value in self.loaded[number].items()}
        return item if self.transform is None else self.transform(item)

    def fill(self, progress: Callable[[int, int], object] | None = None) -> TorchDataset:
        """Make every item now, so that the first epoch is as fast as the second; self.

        Several processes share the work: what another one makes is not made again.
        """
        if self.cache is not None:
            for number in range(len(self)):
                self.cache.fetch(number, self._make, copy=False)
                if progress is not None:
                    progress(number + 1, len(self))
        return self

    @property
    def structures(self) -> list[str]:
        """What the channels of `mask` are."""
        return self.loaded.structures

    @property
    def box_names(self) -> list[str]:
        """What the numbers in `box_labels` are."""
        return self.loaded.box_names

    def __repr__(self) -> str:
        kept = f", {self.cache.kept} kept in {self.cache.folder}" if self.cache else ""
        return f"<TorchDataset of {self.loaded.dataset.name}: {len(self)} items{kept}>"


def _tensor(value: Any) -> Any:
    return torch.from_numpy(value) if hasattr(value, "__array_interface__") else value


def _divided(transform: Transform | None) -> tuple[Transform | None, Transform | None]:
    """A MONAI Compose before and from its first random part; any other transform is whole."""
    compose = sys.modules.get("monai.transforms")
    if compose is None or not isinstance(transform, compose.Compose):
        return transform, None
    found = transform.get_index_of_first(
        lambda part: (
            isinstance(part, compose.RandomizableTrait) or not isinstance(part, compose.Transform)
        )
    )
    if found is None:
        return transform, None
    fixed, random = copy.copy(transform), copy.copy(transform)
    fixed.transforms, random.transforms = transform.transforms[:found], transform.transforms[found:]
    return fixed, random


def _versions() -> Item:
    # Of MONAI, too, where a transform is MONAI's: `fingerprint` sees to it.
    return {name: sys.modules[name].__version__ for name in ("dicom_catalog", "torch")}
