"""Pictures and tables for a notebook page, made with numpy and the standard library alone."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray


def png_bytes(grey: NDArray[np.float32], level: int = 1) -> bytes:
    """A PNG file of an array of 0..1, (h, w) grey or (h, w, 3) red, green, blue.

    Chunks as the PNG specification has them; filter 0 on each line and a low compression level,
    because a viewer makes dozens a second and they do not travel far.
    """
    pixels = np.rint(np.clip(grey, 0, 1) * 255).astype(np.uint8)
    height, width = pixels.shape[:2]
    lines = np.zeros((height, 1 + pixels[0].size), dtype=np.uint8)
    lines[:, 1:] = pixels.reshape(height, -1)
    colour_type = 0 if pixels.ndim == 2 else 2
    header = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    body = zlib.compress(lines.tobytes(), level)
    chunks = ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def html_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """An HTML table of escaped texts, aligned left."""
    cell = '<{0} style="text-align:left">{1}</{0}>'
    top = "".join(cell.format("th", escape(text)) for text in head)
    lines = ("".join(cell.format("td", escape(str(value))) for value in row) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def text_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The same table for a terminal, columns padded to their widest text."""
    lines = [list(head), *([str(value) for value in row] for row in rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(head))]
    padded = (
        "  ".join(text.ljust(n) for text, n in zip(line, widths, strict=True)) for line in lines
    )
    return "\n".join(line.rstrip() for line in padded)
