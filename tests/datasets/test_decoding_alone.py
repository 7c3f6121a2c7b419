"""Little work of decoding starts no process: forks would cost more than they save."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np
import pytest

from dicom_catalog import decoding
from dicom_catalog.volume import PixelFormat, StoredFrame

FRAMES = [
    StoredFrame("none.dcm", 0, PixelFormat(2, 2, encoded="1.2.840.10008.1.2.5"), str(k), k)
    for k in range(20)
]


def test_loading_a_decoder_is_not_taken_for_slow_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[bool] = []

    def decode(frames: Any, wanted: Any, take: decoding.Take) -> None:
        if not loaded:
            loaded.append(True)
            time.sleep(0.1)  # the import of a decoder
        for k in wanted:
            take(k, np.full((2, 2), k, np.uint16))

    def forked(*_: object) -> None:
        raise AssertionError("a process was forked for nothing")

    monkeypatch.setattr(decoding, "_decode", decode)
    monkeypatch.setattr(decoding, "_decode_in_processes", forked)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    found: dict[int, int] = {}
    decoding.decode_frames(FRAMES, lambda k, stored: found.update({k: int(stored[0, 0])}))
    assert found == {k: k for k in range(20)}
