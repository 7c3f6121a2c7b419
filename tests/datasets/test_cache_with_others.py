"""Other processes delete, rename and fork while a cache is in use: it goes on."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from pathlib import Path

from dicom_catalog.cache import ItemCache, make_room
from dicom_catalog.room import Place, place_for

ROOM = 64 << 20


def test_a_file_that_vanishes_meanwhile_takes_no_place_away(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    # Listed and not there when it is asked for its size, as one that was just deleted.
    (tmp_path / "old" / "items").symlink_to(tmp_path / "gone")
    found = place_for(tmp_path)
    assert found is not None and found.room > 0
    make_room(Place(tmp_path, ROOM, in_memory=False), "new")


def test_a_cache_whose_folder_is_deleted_while_it_is_in_use_goes_on(tmp_path: Path) -> None:
    cache = ItemCache("a", 2, Place(tmp_path, ROOM, in_memory=False))
    shutil.rmtree(tmp_path / "a")
    assert [cache.fetch(k, lambda number: number * 7) for k in (0, 1, 0)] == [0, 7, 0]


def test_a_process_forked_while_an_item_is_made_keeps_no_lock(tmp_path: Path) -> None:
    cache = ItemCache("a", 1, Place(tmp_path, ROOM, in_memory=False))
    with cache._locked(64, 32):
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
    try:
        other = threading.Thread(target=cache.fetch, args=(0, lambda number: number), daemon=True)
        other.start()
        other.join(5)
        assert not other.is_alive()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
