"""Compressed pixels of loose files, decoded by pydicom's plugins in several processes at once.

Published versions are uncompressed and never come here. The decoders behind pydicom hold the
interpreter's lock while they work, so threads gain nothing (measured: two threads decode as fast as
one). Where half a second of work is left, processes are forked that write into one shared array;
below that the forks cost more than they save (64 slices of RLE or JPEG-LS), and frames are decoded
one by one. How long a frame takes is measured on the second one: the first loads the decoder.
"""

from __future__ import annotations

import mmap
import os
import time
import warnings
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from dicom_catalog.errors import NotDecodable
from dicom_catalog.volume import StoredFrame

Take = Callable[[int, NDArray[Any]], None]

# The fastest decoder of each lossless syntax. Lossy ones stay in pydicom's own order, because
# decoders differ by a grey level there, and a student's pydicom should give what we give.
FASTEST = {
    JPEG2000Lossless: "pylibjpeg",
    JPEGLSLossless: "pyjpegls",
    JPEGLossless: "gdcm",
    JPEGLosslessSV1: "gdcm",
    RLELossless: "pylibjpeg",
}
_WORTH_PROCESSES = 0.5  # seconds of work; two forks, their pages and the copy out cost 0.1
_MOST_PROCESSES = 8
_MOST_TEXT = 300


def decode_frames(frames: Sequence[StoredFrame], take: Take) -> None:
    """Decode all frames, which have one shape; each is given to `take` with its number.

    Colour comes as RGB by pixel. NotDecodable where a file is damaged or no decoder here reads it.
    """
    _decode(frames, range(min(1, len(frames))), take)
    began = time.perf_counter()
    _decode(frames, range(1, min(2, len(frames))), take)
    seconds = time.perf_counter() - began
    rest = range(2, len(frames))
    processes = min(len(os.sched_getaffinity(0)), _MOST_PROCESSES, len(rest))
    if processes < 2 or seconds * len(rest) < _WORTH_PROCESSES:
        _decode(frames, rest, take)
    else:
        _decode_in_processes(frames, rest, processes, take)


def _decode(frames: Sequence[StoredFrame], wanted: Sequence[int], take: Take) -> None:
    """The `wanted` frames, file by file."""
    with warnings.catch_warnings():
        # What is unusual in a header is said by whoever writes it, not to whoever looks at it.
        warnings.simplefilter("ignore")
        for _, same in groupby(wanted, lambda k: frames[k].path):
            _decode_file(frames, list(same), take)


def _decode_file(frames: Sequence[StoredFrame], wanted: Sequence[int], take: Take) -> None:
    first = frames[wanted[0]]
    syntax = UID(first.format.encoded or ExplicitVRLittleEndian)
    numbers = [frames[k].frame for k in wanted]
    try:
        header = pydicom.dcmread(first.path)
        palette = header.get("PhotometricInterpretation") == "PALETTE COLOR"
        decoded = iter_pixels(header, indices=numbers, decoding_plugin=_plugin(syntax))
        for k, frame in zip(wanted, decoded, strict=True):
            coloured = apply_color_lut(frame, header) if palette else frame
            take(k, np.asarray(coloured).reshape(first.format.shape))
    # pydicom and the decoders behind it raise many kinds of exception on what they cannot read;
    # here each of them means the same.
    except Exception as error:
        raise _refusal(first.path, syntax, error) from error


def _plugin(syntax: UID) -> str:
    wanted = FASTEST.get(syntax, "")
    return wanted if wanted and wanted in get_decoder(syntax).available_plugins else ""


def _refusal(path: str, syntax: UID, error: Exception) -> NotDecodable:
    text = " ".join(str(error).split())[:_MOST_TEXT] or type(error).__name__
    return NotDecodable(
        f"The pixels of {path} ({syntax.name}) cannot be decoded: {text}. Ask whoever gave you the "
        "file for an uncompressed copy, or convert it with 'gdcmconv --raw' or 'dcmdjpeg'.",
        given=path,
    )


def _decode_in_processes(
    frames: Sequence[StoredFrame], wanted: Sequence[int], processes: int, take: Take
) -> None:
    dtype = np.result_type(*{one.format.dtype for one in frames})
    shape = frames[0].format.shape
    size = int(np.prod(shape)) * dtype.itemsize
    # Unmapped when the last array of it goes.
    shared = np.frombuffer(mmap.mmap(-1, size * len(wanted)), dtype)
    shared = shared.reshape(len(wanted), *shape)
    step = -(-len(wanted) // processes)
    starts = range(0, len(wanted), step)
    children = [_child(frames, wanted[at : at + step], shared[at : at + step]) for at in starts]
    failed = [text for text in (_ended(*child) for child in children) if text]
    if failed:
        raise NotDecodable(failed[0], given=frames[0].path)
    for k, stored in zip(wanted, shared, strict=True):
        take(k, stored)


def _child(
    frames: Sequence[StoredFrame], wanted: Sequence[int], target: NDArray[Any]
) -> tuple[int, int]:
    """Fork a process that decodes `wanted` into `target`: its id and where it tells a failure."""
    reading, writing = os.pipe()
    process = os.fork()
    if process:
        os.close(writing)
        return process, reading
    # In the child: nothing of the parent's may run again, neither its clean-up nor its output.
    code = 1
    try:
        place = {k: at for at, k in enumerate(wanted)}
        _decode(frames, wanted, lambda k, stored: target.__setitem__(place[k], stored))
        code = 0
    except NotDecodable as error:
        os.write(writing, error.message.encode()[:4000])
    finally:
        os._exit(code)


def _ended(process: int, reading: int) -> str:
    """What went wrong in a child, once it has ended; empty where nothing did."""
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read().decode(errors="replace")
    _, status = os.waitpid(process, 0)
    if text or status == 0:
        return text
    return f"A process that decoded images ended early (status {status}); was memory short?"
