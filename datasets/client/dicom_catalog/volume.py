"""Reading many frames into one array, as fast as the bytes themselves can be read.

The index says at which byte each frame begins, so nothing is parsed: frames that lie one after the
other in a file are one `preadv` straight into the array that is returned, and several threads read
at once, because the interpreter's lock is not held meanwhile. Where values are converted, as to
Hounsfield units, that happens piece by piece while the piece is still in the processor's cache.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from dicom_catalog.errors import NoSuchValues, NotAVolume, NotReadable

VALUES = ("stored", "rescaled", "hu", "suv")
_FLOATS = {"FloatPixelData": "<f4", "DoubleFloatPixelData": "<f8"}
_PIECE = 16 << 20  # bytes read by one thread at a time
_CONVERTED_PIECE = 1 << 20  # fits the second-level cache
_WORTH_THREADS = 4 << 20
_MOST_THREADS = 4


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """How the pixels of a frame are stored; `encoded` names a syntax that must be decoded."""

    rows: int
    columns: int
    samples: int = 1
    bits_allocated: int = 16
    bits_stored: int = 16
    signed: bool = False
    keyword: str = "PixelData"
    encoded: str | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of an array of stored values; single bits are uint8 of 0 and 1."""
        if self.keyword in _FLOATS:
            return np.dtype(_FLOATS[self.keyword])
        size = max(1, self.bits_allocated // 8)
        return np.dtype(f"<{'i' if self.signed else 'u'}{size}")

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, columns), or (rows, columns, samples) in colour."""
        one = (self.rows, self.columns)
        return one if self.samples == 1 else (*one, self.samples)

    @property
    def bits(self) -> int:
        """Bits of one frame."""
        return self.rows * self.columns * self.samples * self.bits_allocated


@dataclass(frozen=True, slots=True)
class StoredFrame:
    """One frame of a file: where it lies, how it is stored, what its values mean.

    `position` and `orientation` are those of (0020,0032) and (0020,0037), in mm, LPS.
    """

    path: str
    offset: int  # bytes from the file's beginning
    format: PixelFormat
    instance_uid: str
    frame: int = 0  # from 0 within the instance
    slope: float = 1.0
    intercept: float = 0.0
    suv_factor: float | None = None
    position: tuple[float, ...] | None = None
    orientation: tuple[float, ...] | None = None
    lead: int = 0  # bits before the frame in the byte at `offset`, of single-bit images

    def scale(self, values: str) -> tuple[float, float]:
        """Slope and intercept that make `values` of the stored ones."""
        if values == "stored":
            return 1.0, 0.0
        if values != "suv":
            return self.slope, self.intercept
        if self.suv_factor is None:
            raise NoSuchValues(
                f"The image {self.instance_uid} has no SUV: that takes a PET in BQML that gives "
                "the patient's weight, the dose and its time. Use values='rescaled'.",
                given="suv",
                allowed=VALUES[:2],
            )
        return self.slope * self.suv_factor, self.intercept * self.suv_factor


def read_frames(
    frames: Sequence[StoredFrame],
    values: str = "stored",
    dtype: DTypeLike | None = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """The frames as one fresh array (frames, rows, columns[, samples]), or in `out`.

    `values` is one of VALUES. Stored values keep their type, others are float32, unless `dtype`
    says otherwise; in integers they are rounded, and held within the type's range.

    Raises NotAVolume where the frames differ in size, NotReadable where a file is shorter than its
    index says, NotDecodable where compressed pixels cannot be decoded, ValueError where `out` has
    another shape.
    """
    shape = _shape(frames)
    if out is None:
        out = np.empty(shape, dtype or default_dtype(frames, values))
    elif out.shape != shape or (dtype is not None and out.dtype != np.dtype(dtype)):
        raise ValueError(
            f"`out` has the shape {out.shape} and type {out.dtype}; this series gives {shape} "
            f"{np.dtype(dtype or default_dtype(frames, values))}."
        )
    scales = [one.scale(values) for one in frames]
    if any(one.format.encoded for one in frames):
        from dicom_catalog.decoding import decode_frames

        target = out  # of one name in the function below

        def take(at: int, stored: NDArray[Any]) -> None:
            rescale(stored, *scales[at], target[at])

        decode_frames(frames, take)
        return out
    _read_plain(frames, scales, out)
    return out


def default_dtype(frames: Sequence[StoredFrame], values: str) -> np.dtype[Any]:
    """The type that `read_frames` gives where none is asked for."""
    if values != "stored":
        return np.dtype(np.float32)
    return np.result_type(*{one.format.dtype for one in frames})


def _shape(frames: Sequence[StoredFrame]) -> tuple[int, ...]:
    shapes = {one.format.shape for one in frames}
    if len(shapes) > 1:
        raise NotAVolume(
            f"These {len(frames)} frames are no one array: they differ in size, "
            f"{', '.join(map(str, sorted(shapes)))}. Read them one by one: "
            "[image.pixels for image in series.images].",
            given=sorted(shapes),
        )
    return (len(frames), *shapes.pop())


def _read_plain(
    frames: Sequence[StoredFrame], scales: Sequence[tuple[float, float]], out: NDArray[Any]
) -> None:
    direct = (
        out.flags.c_contiguous
        and all(scale == (1.0, 0.0) for scale in scales)
        and all(one.format.dtype == out.dtype and one.format.bits_allocated > 1 for one in frames)
    )
    pieces = list(_pieces(frames, _PIECE if direct else _CONVERTED_PIECE))

    def read(piece: tuple[int, int]) -> None:
        first, last = piece
        if direct:
            _fill(frames[first], out[first:last])
        else:
            stored = _stored(frames[first], last - first)
            _convert(stored, scales[first:last], out[first:last])

    _run(read, pieces, sum(one.format.bits for one in frames) // 8)


def _pieces(frames: Sequence[StoredFrame], most: int) -> Iterator[tuple[int, int]]:
    """Stretches [first, last) of frames that lie one after the other in a file."""
    first = 0
    for at in range(1, len(frames) + 1):
        size = (at - first + 1) * frames[first].format.bits // 8
        if at == len(frames) or size > most or not _follows(frames[at - 1], frames[at]):
            yield first, at
            first = at


def _follows(before: StoredFrame, after: StoredFrame) -> bool:
    return (
        before.path == after.path
        and before.format == after.format
        and before.format.bits_allocated > 1
        and after.offset == before.offset + before.format.bits // 8
    )


def _run(
    work: Callable[[tuple[int, int]], None], pieces: Sequence[tuple[int, int]], size: int
) -> None:
    threads = min(_MOST_THREADS, len(os.sched_getaffinity(0)), len(pieces))
    if threads < 2 or size < _WORTH_THREADS:
        for piece in pieces:
            work(piece)
        return

    # A thread takes a stretch of its own: the array's pages come to it in order.
    def several(part: Sequence[tuple[int, int]]) -> None:
        for piece in part:
            work(piece)

    step = -(-len(pieces) // (2 * threads))
    parts = [pieces[at : at + step] for at in range(0, len(pieces), step)]
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(several, parts):
            pass


def _stored(first: StoredFrame, count: int) -> NDArray[Any]:
    """`count` frames from `first` on, which follow each other in one file."""
    one = first.format
    if one.bits_allocated > 1:
        stored = np.empty((count, *one.shape), one.dtype)
        _fill(first, stored)
        return stored
    packed = np.empty((first.lead + one.bits + 7) // 8, np.uint8)
    _fill(first, packed)
    # The first pixel is the least significant bit (PS3.5 8.1.1).
    bits = np.unpackbits(packed, bitorder="little")[first.lead : first.lead + one.bits]
    return bits.reshape((1, *one.shape))


def _fill(first: StoredFrame, target: NDArray[Any]) -> None:
    """Fill `target`, contiguous, from the file of `first` at its offset."""
    buffer: memoryview = target.reshape(-1).view(np.uint8).data
    done = 0
    try:
        file = os.open(first.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            # Linux reads at most 2 GiB at once; a signal may end a read early.
            while done < len(buffer):
                read = os.preadv(file, [buffer[done:]], first.offset + done)
                if read == 0:
                    break
                done += read
        finally:
            os.close(file)
    except OSError as error:
        raise NotReadable(
            f"{first.path} cannot be read: {error}.", given=first.instance_uid
        ) from error
    if done < len(buffer):
        raise NotReadable(
            f"{first.path} ends after {done} of {len(buffer)} bytes of pixels. Ask your "
            "administrator to run 'radlab dataset verify' on this dataset.",
            given=first.instance_uid,
        )


def _convert(
    stored: NDArray[Any], scales: Sequence[tuple[float, float]], out: NDArray[Any]
) -> None:
    if all(scale == scales[0] for scale in scales):
        rescale(stored, *scales[0], out)
        return
    for at, scale in enumerate(scales):
        rescale(stored[at], *scale, out[at])


def rescale(stored: NDArray[Any], slope: float, intercept: float, out: NDArray[Any]) -> None:
    """`stored * slope + intercept` into `out`; integers are rounded, and held within the range."""
    if out.dtype.kind == "f":
        kind = out.dtype.type
        if slope == 1:
            np.add(stored, kind(intercept), out=out, casting="unsafe")
            return
        np.multiply(stored, kind(slope), out=out, casting="unsafe")
        if intercept != 0:
            out += kind(intercept)
        return
    if stored.dtype.kind != "f" and slope.is_integer() and intercept.is_integer():
        ends = [int(end) * int(slope) + int(intercept) for end in (stored.min(), stored.max())]
        info = np.iinfo(out.dtype)
        if info.min <= min(ends) and max(ends) <= info.max:
            _rescale_integers(stored, int(slope), int(intercept), out)
            return
    exact = stored.astype(np.float64) * slope + intercept
    info = np.iinfo(out.dtype)
    np.copyto(out, np.clip(np.rint(exact), info.min, info.max), casting="unsafe")


def _rescale_integers(stored: NDArray[Any], slope: int, intercept: int, out: NDArray[Any]) -> None:
    # All in the type of `out`: sums and products modulo its size are right where the result fits.
    np.copyto(out, stored, casting="unsafe")
    if slope != 1:
        out *= np.array(slope).astype(out.dtype)
    if intercept != 0:
        out += np.array(intercept).astype(out.dtype)
