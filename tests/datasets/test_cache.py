"""Items kept in a file once, for all processes: whole or not at all, within the room there is."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import subprocess
import threading
import time
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as np_st

from dicom_catalog.cache import CacheWarning, ItemCache, decode, encode, make_room
from dicom_catalog.errors import NotCacheable
from dicom_catalog.room import Place

ROOM = 64 << 20


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, ROOM, in_memory=False)


class Maker:
    """Makes items and counts how often it is asked."""

    def __init__(self, size: int = 100) -> None:
        self.size = size
        self.asked: list[int] = []

    def __call__(self, number: int) -> dict[str, Any]:
        self.asked.append(number)
        return {"image": np.arange(self.size, dtype=np.float32) + number, "label": number}


def same(found: dict[str, Any], number: int, size: int = 100) -> bool:
    wanted = np.arange(size, dtype=np.float32) + number
    return found["label"] == number and np.array_equal(found["image"], wanted)


def test_an_item_is_made_once_and_found_by_another_process_later(place: Place) -> None:
    maker = Maker()
    cache = ItemCache("a", 3, place)
    assert all(same(cache.fetch(k, maker), k) for k in (2, 0, 2, 0))
    assert maker.asked == [2, 0] and cache.kept == 2
    again = ItemCache("a", 3, place)
    assert same(again.fetch(2, maker), 2) and same(again.fetch(1, maker), 1)
    assert maker.asked == [2, 0, 1]


def test_what_is_fetched_may_be_changed_and_the_next_one_is_whole(place: Place) -> None:
    cache = ItemCache("a", 1, place)
    for copy in (True, True, False, True):
        item = cache.fetch(0, Maker(), copy=copy)
        assert same(item, 0)
        if copy:
            item["image"][:] = -1


def test_views_lie_in_the_file_and_no_write_reaches_it(place: Place) -> None:
    cache = ItemCache("a", 1, place)
    cache.fetch(0, Maker())
    view = cache.fetch(0, Maker(), copy=False)["image"]
    assert not view.flags.owndata
    view[:] = -1
    assert same(ItemCache("a", 1, place).fetch(0, Maker()), 0)


def test_a_cache_that_was_pickled_reads_the_same_file(place: Place) -> None:
    cache = ItemCache("a", 2, place)
    cache.fetch(1, Maker())
    maker = Maker()
    assert same(pickle.loads(pickle.dumps(cache)).fetch(1, maker), 1) and maker.asked == []


def test_threads_that_ask_at_once_make_it_once(place: Place) -> None:
    cache = ItemCache("a", 1, place)
    asked: list[int] = []
    begin = threading.Barrier(4)

    def slow(number: int) -> dict[str, Any]:
        asked.append(number)
        time.sleep(0.05)
        return Maker()(number)

    def ask() -> None:
        begin.wait()
        assert same(cache.fetch(0, slow), 0)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asked == [0]


def _ask_for_all(place: Place, count: int, made: Path) -> None:
    def make(number: int) -> dict[str, Any]:
        with made.open("a") as file:
            file.write(f"{number}\n")
        return Maker(5000)(number)

    cache = ItemCache("a", count, place)
    assert all(same(cache.fetch(k, make), k, 5000) for k in range(count))


def test_processes_that_fill_it_together_make_each_item_once(place: Place, tmp_path: Path) -> None:
    made = tmp_path / "made.txt"
    context = multiprocessing.get_context("fork")
    others = [context.Process(target=_ask_for_all, args=(place, 40, made)) for _ in range(4)]
    for other in others:
        other.start()
    for other in others:
        other.join(60)
    assert [other.exitcode for other in others] == [0] * 4
    assert sorted(map(int, made.read_text().split())) == list(range(40))


def _hang(place: Place, started: Path) -> None:
    def hang(number: int) -> None:
        started.touch()
        time.sleep(600)

    ItemCache("a", 1, place).fetch(0, hang)


def test_who_dies_while_making_an_item_leaves_it_to_others(place: Place, tmp_path: Path) -> None:
    started = tmp_path / "started"
    other = multiprocessing.get_context("fork").Process(target=_hang, args=(place, started))
    other.start()
    while not started.exists():
        time.sleep(0.01)
    os.kill(other.pid or 0, signal.SIGKILL)
    other.join()
    assert same(ItemCache("a", 1, place).fetch(0, Maker()), 0)


def test_an_item_that_was_damaged_is_made_anew(place: Place) -> None:
    ItemCache("a", 2, place).fetch(0, Maker())
    file = place.folder / "a" / "items"
    data = bytearray(file.read_bytes())
    data[-70] ^= 1
    file.write_bytes(data)
    maker, cache = Maker(), ItemCache("a", 2, place)
    assert same(cache.fetch(0, maker), 0) and maker.asked == [0]
    assert same(cache.fetch(0, maker), 0) and maker.asked == [0]


def test_records_of_an_item_that_never_reached_the_disk_are_not_believed(place: Place) -> None:
    ItemCache("a", 2, place).fetch(0, Maker())
    os.truncate(place.folder / "a" / "items", 0)
    maker = Maker()
    assert same(ItemCache("a", 2, place).fetch(0, maker), 0) and maker.asked == [0]


def test_without_room_everything_is_made_anew_and_one_sentence_says_so(tmp_path: Path) -> None:
    maker = Maker(1000)
    cache = ItemCache("a", 4, Place(tmp_path, 10_000, in_memory=False))
    with pytest.warns(CacheWarning, match=r"There is no more room for it.*RADLAB_CACHE") as told:
        assert all(same(cache.fetch(k, maker), k, 1000) for k in (0, 1, 2, 3, 0, 3))
    assert len(told) == 1
    assert cache.kept == 2 and maker.asked == [0, 1, 2, 3, 3]
    assert cache.bytes <= 10_000


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 2 MB; its half is kept free for the student's own files."""
    if os.getuid() != 0:
        pytest.skip("a file system can be mounted by root only")
    folder = Path(f"/tmp/radlab-cache-{uuid.uuid4().hex[:8]}")
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
    folder.rmdir()


def test_a_disk_that_fills_leaves_room_for_the_students_files(small_disk: Path) -> None:
    cache = ItemCache("a", 100, Place(small_disk, ROOM, in_memory=False))
    with pytest.warns(CacheWarning):
        assert all(same(cache.fetch(k, Maker(10_000)), k, 10_000) for k in range(100))
    assert 0 < cache.kept < 100
    (small_disk / "notebook").write_bytes(bytes(900_000))
    assert all(same(cache.fetch(k, Maker(10_000)), k, 10_000) for k in range(100))


def test_nowhere_to_write_is_no_reason_to_stop(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.warns(CacheWarning, match="no room for it here"):
        cache = ItemCache("a", 2, Place(tmp_path / "file", ROOM, in_memory=False))
    maker = Maker()
    assert same(cache.fetch(1, maker), 1) and same(cache.fetch(1, maker), 1)
    assert (cache.folder, cache.kept, cache.bytes, maker.asked) == (None, 0, 0, [1, 1])


def test_old_caches_make_room_and_one_in_use_stays(tmp_path: Path) -> None:
    place = Place(tmp_path, ROOM, in_memory=False)
    for age, key in enumerate(("old", "older", "used")):
        cache = ItemCache(key, 1, place)
        cache.fetch(0, Maker(1000))
        os.utime(tmp_path / key, (1000 - age, 1000 - age))
        if key == "used":
            in_use = cache
        del cache
    make_room(Place(tmp_path, 50_000, in_memory=False), "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old", "used"]
    make_room(Place(tmp_path, 0, in_memory=False), "new")
    assert [path.name for path in tmp_path.iterdir()] == ["used"] and in_use.kept == 1


def test_a_cache_of_another_number_of_items_is_refused(place: Place) -> None:
    ItemCache("a", 2, place)
    with pytest.raises(NotCacheable, match=r"holds 2 items, not 3.*key="):
        ItemCache("a", 3, place)


def test_what_no_file_can_hold_is_named(place: Place) -> None:
    with pytest.raises(NotCacheable, match=r"cannot be kept.*Return arrays"):
        ItemCache("a", 1, place).fetch(0, lambda number: {"image": lambda: None})


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False)
    | np_st.arrays(
        st.sampled_from(["u1", "<i2", "<f4", "?"]),
        np_st.array_shapes(min_dims=0, min_side=0, max_side=4),
    ),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=6,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(item=values, copy=st.booleans())
def test_any_item_comes_back_as_it_went_in(item: Any, copy: bool) -> None:
    stored = b"".join(bytes(part) for part in encode(item))
    assert_equal(decode(memoryview(bytearray(stored)), copy=copy), item)


def assert_equal(found: Any, wanted: Any) -> None:
    assert type(found) is type(wanted)
    if isinstance(wanted, np.ndarray):
        assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
        np.testing.assert_array_equal(found, wanted)
    elif isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        for key, value in wanted.items():
            assert_equal(found[key], value)
    elif isinstance(wanted, list | tuple):
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            assert_equal(one, other)
    else:
        assert found == wanted


def test_arrays_in_the_file_are_aligned(place: Place) -> None:
    cache = ItemCache("a", 2, place)
    for number in range(2):
        cache.fetch(number, lambda k: [np.ones(3, np.uint8), np.ones(5, np.float64)])
        for array in cache.fetch(number, Maker(), copy=False):
            assert array.ctypes.data % 64 == 0


def test_using_it_says_nothing_where_there_is_room(place: Place) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ItemCache("a", 1, place).fetch(0, Maker())
