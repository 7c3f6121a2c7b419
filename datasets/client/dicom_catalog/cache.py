"""Results of a transform, kept in a file once and read by every process that needs them.

Whoever asks first for an item makes it and writes it down; all others find it there. The file lies
on a disk, so what is read of it sits once in the page cache of the host, for all processes, and
goes when something else needs the memory: no copy a process, no copy a worker of a DataLoader, and
never more memory than the container has.

A cache is a folder: `items`, which only grows, and `records`, where each item lies in it. An item
is made under a lock on its own record (a lock of the open file, F_OFD_SETLKW of fcntl(2)), which
the kernel drops when its owner dies, however it dies. A record is written after its item and
carries a checksum: a half item, or one that a power cut left empty, is made anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import mmap
import os
import pickle
import shutil
import struct
import sys
import tempfile
import warnings
import weakref
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dicom_catalog.errors import NotCacheable
from dicom_catalog.room import Place, find_place, free_for_caches, taken_in

Make = Callable[[int], Any]

_HEADER = struct.Struct("<8sQ48x")  # what it is, number of records
_MAGIC = b"RADLAB1\n"
_RECORD = struct.Struct("<QQII8x")  # offset, length, checksum, state
_KEPT = 1
_ALIGNMENT = 64  # of every array, as numpy aligns its own
_PART = struct.Struct("<Q")
_MISSING = object()
_PARTS_AT_ONCE = 512  # buffers that one call may write, under IOV_MAX


class CacheWarning(UserWarning):
    """A cache cannot keep all: slower, and nothing else changes."""


class ItemCache:
    """`count` items by number, each kept the first time that it is fetched.

    `place` is where caches may go and how much they may take together (None: `find_place()`); with
    no place at all nothing is kept and every fetch makes its item. May be pickled and forked.
    """

    def __init__(self, key: str, count: int, place: Place | None = None) -> None:
        self.key = key
        self.count = count
        self.place = place or find_place()
        self._told = False
        self._made_folder = self.place is not None and self._prepare()
        if not self._made_folder:
            self._tell("There is no room for it here")
        self._open()

    @property
    def folder(self) -> Path | None:
        """Where this cache lies; None where nothing is kept."""
        if self.place is None or not self._made_folder:
            return None
        return self.place.folder / self.key

    @property
    def kept(self) -> int:
        """How many items are in the file by now, whoever put them there."""
        return sum(self._record(number)[3] == _KEPT for number in range(self.count))

    @property
    def bytes(self) -> int:
        """The size of the file of items."""
        return os.fstat(self._items).st_size if self.folder else 0

    def fetch(self, number: int, make: Make, *, copy: bool = True) -> Any:
        """Item `number`: from the file, else by `make(number)`, which is then kept.

        Arrays and tensors are fresh and may be changed. With `copy=False` they are views of the
        file, without a copy: then nobody may write into them.
        """
        found = self._read(number, copy)
        if found is not _MISSING:
            return found
        if self.folder is None:
            return make(number)
        with self._locked(_HEADER.size + number * _RECORD.size, _RECORD.size):
            found = self._read(number, copy)  # another process may have made it meanwhile
            if found is not _MISSING:
                return found
            made = make(number)
            self._keep(number, made)
        return made

    def _prepare(self) -> bool:
        """The folder with empty records, as a whole or not at all."""
        assert self.place is not None
        folder = self.place.folder / self.key
        if (folder / "records").is_file():
            os.utime(folder)
            return True
        with contextlib.suppress(OSError):
            make_room(self.place, self.key)
            made = Path(tempfile.mkdtemp(prefix=".new-", dir=self.place.folder))
            header = _HEADER.pack(_MAGIC, self.count) + bytes(self.count * _RECORD.size)
            (made / "items").touch()
            (made / "records").write_bytes(header)
            try:
                os.rename(made, folder)
            except OSError:  # another process was first
                shutil.rmtree(made)
        return (folder / "records").is_file()

    def _open(self) -> None:
        self._checked: set[int] = set()
        self._maps: dict[bool, mmap.mmap] = {}
        if self.folder is None:
            return
        self._items = os.open(self.folder / "items", os.O_RDWR | os.O_CLOEXEC)
        self._writable = os.open(self.folder / "records", os.O_RDWR | os.O_CLOEXEC)
        weakref.finalize(self, _close, self._items, self._writable)
        # Held as long as this cache is in use: who makes room leaves it alone.
        fcntl.flock(self._writable, fcntl.LOCK_SH)
        self._records = mmap.mmap(self._writable, 0, access=mmap.ACCESS_READ)
        magic, count = _HEADER.unpack_from(self._records)
        if (magic, count) != (_MAGIC, self.count):
            raise NotCacheable(
                f"The cache {self.folder} holds {count} items, not {self.count}. Another key= "
                "keeps the two apart; the folder may also be deleted.",
                given=self.key,
            )

    def _record(self, number: int) -> tuple[int, int, int, int]:
        if self.folder is None:
            return 0, 0, 0, 0
        if not 0 <= number < self.count:
            raise IndexError(number)
        offset, length, checksum, state = _RECORD.unpack_from(
            self._records, _HEADER.size + number * _RECORD.size
        )
        return offset, length, checksum, state

    def _read(self, number: int, copy: bool) -> Any:
        offset, length, checksum, state = self._record(number)
        if state != _KEPT:
            return _MISSING
        view = self._view(offset, length, copy)
        if view is None:
            return _MISSING
        if number not in self._checked:
            if zlib.crc32(view) != checksum:
                return _MISSING
            self._checked.add(number)
        return decode(view, copy=copy)

    def _view(self, offset: int, length: int, copy: bool) -> memoryview | None:
        """These bytes of the file, mapped. Views that may be written to are private: no write
        reaches the file, which others read."""
        mapped = self._maps.get(copy)
        if mapped is None or len(mapped) < offset + length:
            if os.fstat(self._items).st_size < offset + length:
                return None
            access = mmap.ACCESS_READ if copy else mmap.ACCESS_COPY
            mapped = self._maps[copy] = mmap.mmap(self._items, 0, access=access)
        return memoryview(mapped)[offset : offset + length]

    def _keep(self, number: int, made: Any) -> None:
        parts = encode(made)
        length = sum(len(part) for part in parts)
        with self._locked(0, _HEADER.size):
            offset = os.fstat(self._items).st_size
            if not self._fits(length):
                return
            try:
                # Reserved first: a disk that fills gives an error here and no half item.
                os.posix_fallocate(self._items, offset, length)
                _write(self._items, offset, parts)
            except OSError as error:
                return self._tell(f"The disk does not take more of it ({error.strerror})")
        checksum = 0
        for part in parts:
            checksum = zlib.crc32(part, checksum)
        record = _RECORD.pack(offset, length, checksum, _KEPT)
        os.pwrite(self._writable, record, _HEADER.size + number * _RECORD.size)
        self._checked.add(number)
        return None

    def _fits(self, length: int) -> bool:
        assert self.place is not None
        others = self.place.room - self.bytes - length
        if others >= 0 and free_for_caches(self.place.folder) >= length:
            return True
        self._tell("There is no more room for it")
        return False

    def _tell(self, why: str) -> None:
        if not self._told:
            self._told = True
            where = self.place.folder if self.place else "disk or in /tmp"
            warnings.warn(
                f"{why} ({where}): items that are not kept are made anew each time. Free room in "
                "your home, make the images smaller, or set RADLAB_CACHE to a folder on a disk.",
                CacheWarning,
                stacklevel=2,
            )

    @contextlib.contextmanager
    def _locked(self, start: int, length: int) -> Iterator[None]:
        """Alone on these bytes of the records, among all processes and threads."""
        assert self.folder is not None
        # A file of its own each time: locks of one open file do not keep its threads apart.
        # Opened through the one that is open: somebody may have deleted the folder meanwhile.
        file = os.open(f"/proc/self/fd/{self._writable}", os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.fcntl(file, fcntl.F_OFD_SETLKW, _lock(fcntl.F_WRLCK, start, length))
            yield
        finally:
            # Closing alone would not do: a process forked meanwhile has the same open file.
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, _lock(fcntl.F_UNLCK, start, length))
            os.close(file)

    def __getstate__(self) -> tuple[str, int, Place | None]:
        return self.key, self.count, self.place if self._made_folder else None

    def __setstate__(self, state: tuple[str, int, Place | None]) -> None:
        self.key, self.count, self.place = state
        self._told = True  # the process that it came from has said so
        self._made_folder = self.place is not None and self._prepare()
        self._open()


def _lock(kind: int, start: int, length: int) -> bytes:
    return struct.pack("hhqqi", kind, os.SEEK_SET, start, length, 0)


def _close(*files: int) -> None:
    for file in files:
        os.close(file)


def make_room(place: Place, key: str) -> None:
    """Delete caches that nobody has open, the longest unused first, down to half of the room."""
    caches = [path for path in place.folder.iterdir() if path.is_dir() and path.name != key]
    sizes = {path: taken_in(path) for path in caches}
    taken = sum(sizes.values())
    for path in sorted(caches, key=_last_used):
        if taken <= place.room // 2:
            return
        if _unused(path):
            shutil.rmtree(path, ignore_errors=True)
            taken -= sizes[path]


def _last_used(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:  # another process was first to delete or rename it
        return 0.0


def _unused(folder: Path) -> bool:
    try:
        with (folder / "records").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return not folder.name.startswith(".new-")
    except OSError:
        return False
    return True


def _write(file: int, offset: int, parts: Sequence[Any]) -> None:
    """All parts at `offset`; a call may write less than it was given."""
    left = [memoryview(part).cast("B") for part in parts if len(part)]
    while left:
        written = os.pwritev(file, left[:_PARTS_AT_ONCE], offset)
        offset += written
        while left and written >= len(left[0]):
            written -= len(left.pop(0))
        if left:
            left[0] = left[0][written:]


def encode(item: Any) -> list[Any]:
    """An item as bytes: pickled, its arrays and tensors beside it, each aligned.

    Raises NotCacheable where something in it cannot be pickled.
    """
    buffers: list[Any] = []
    stream = io.BytesIO()
    try:
        _Pickler(stream, protocol=5, buffer_callback=buffers.append).dump(item)
    except Exception as error:
        raise NotCacheable(
            f"A result of the transform cannot be kept ({error}). Return arrays, tensors, numbers, "
            "texts, and lists and dicts of them.",
            given=type(item).__qualname__,
        ) from error
    parts: list[Any] = [stream.getvalue(), *(buffer.raw() for buffer in buffers)]
    lengths = [len(part) for part in parts]
    head = b"".join(_PART.pack(number) for number in (len(parts), *lengths))
    return [piece for part in (head, *parts) for piece in (part, bytes(-len(part) % _ALIGNMENT))]


def decode(view: memoryview, *, copy: bool) -> Any:
    """The item that `encode` made; its arrays are copies, else views of `view`."""
    (count,) = _PART.unpack_from(view)
    lengths = [_PART.unpack_from(view, _PART.size * (1 + k))[0] for k in range(count)]
    offset = _aligned(_PART.size * (1 + count))
    parts = []
    for length in lengths:
        parts.append(view[offset : offset + length])
        offset = _aligned(offset + length)
    buffers = [bytearray(part) for part in parts[1:]] if copy else parts[1:]
    return pickle.loads(parts[0], buffers=buffers)


def _aligned(number: int) -> int:
    return -(-number // _ALIGNMENT) * _ALIGNMENT


class _Pickler(pickle.Pickler):
    """Pickles tensors through numpy, so that their bytes lie in the file and not in the pickle."""

    def reducer_override(self, value: Any) -> Any:
        torch = sys.modules.get("torch")
        if torch is None or not isinstance(value, torch.Tensor):
            return NotImplemented
        if value.layout != torch.strided or value.dtype == torch.bfloat16:
            return NotImplemented
        meta = getattr(value, "meta", None), getattr(value, "applied_operations", None)
        plain = torch.Tensor.as_subclass(value.detach().cpu(), torch.Tensor)
        array = np.ascontiguousarray(plain.numpy()).reshape(plain.shape)
        if type(value) is torch.Tensor:
            return _tensor, (array,)
        if type(value).__module__.startswith("monai."):
            return _meta_tensor, (array, *meta)
        return NotImplemented


def _tensor(array: np.ndarray[Any, Any]) -> Any:
    import torch

    return torch.from_numpy(array)


def _meta_tensor(array: np.ndarray[Any, Any], meta: Any, applied_operations: Any) -> Any:
    from monai.data.meta_tensor import MetaTensor

    tensor = MetaTensor(_tensor(array), meta=meta)
    tensor.applied_operations = applied_operations
    return tensor
