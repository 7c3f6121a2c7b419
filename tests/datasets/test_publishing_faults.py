"""Killed at any step, or on a disk that fills: no half version, and the next command mends."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from versions_support import NOON, image, publish

from dicom_archive.errors import NoRoom
from dicom_archive.manifest import MANIFEST_NAME, find_damage
from dicom_archive.store import Store
from dicom_catalog.catalog import WITHDRAWN_NAME

# What changes a disk, as the store calls it: a process is killed before one of these.
_STEPS = ("mkdir", "link", "rename", "replace", "unlink", "chmod")
_FEW = tuple(f"P{k}" for k in range(3))


def a_small_version(store: Store) -> None:
    publish(store, images=[image(who) for who in _FEW], resume="same")


def a_withdrawal(store: Store) -> None:
    store.withdraw("mine", "1.0.0", "wrong", NOON)


def killed_before(step: int, work: Callable[[Store], None], store: Store) -> bool:
    """Do `work` in a process that is killed before its `step`-th change of the disk."""
    child = os.fork()
    if child == 0:
        left = step

        def counted(plain: Callable[..., Any]) -> Callable[..., Any]:
            def call(*given: Any, **named: Any) -> Any:
                nonlocal left
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return plain(*given, **named)

            return call

        try:
            for name in _STEPS:
                setattr(os, name, counted(getattr(os, name)))
            work(store)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def half_versions(store: Store) -> list[str]:
    """What is wrong with what is seen or kept; withdrawn ones have only their card."""
    wrong = []
    for place in (store.all_versions, *(store.groups.root / g for g in store.groups.groups())):
        for folder in place.glob("[!.]*/[!.]*"):
            if (folder / MANIFEST_NAME).is_file():
                wrong += find_damage(folder, besides=[WITHDRAWN_NAME])
            elif not (folder / WITHDRAWN_NAME).is_file():
                wrong.append(f"{folder} has no manifest")
    return wrong


def leftovers(store: Store) -> list[str]:
    """Temporary names, and objects that no version has."""
    found = [str(path) for path in store.root.rglob(".new-*")]
    found += [str(path) for path in store.staging.glob("mine@*")]
    objects = store.objects.root.glob("*/*")
    return found + [str(path) for path in objects if path.stat().st_nlink == 1]


def test_a_process_that_is_killed_while_it_publishes_leaves_no_half_version(
    tmp_path: Path,
) -> None:
    step, killed = 0, True
    while killed:
        store = Store(tmp_path / str(step))
        killed = killed_before(step, a_small_version, store)
        assert half_versions(store) == []
        a_small_version(store)
        assert (half_versions(store), leftovers(store)) == ([], [])
        assert store.seen_by("mine", "1.0.0") == ["everyone"]
        step += 9
    assert step > 50, "the steps of publishing are not counted any more"


def test_a_process_that_is_killed_while_it_withdraws_leaves_a_reason_or_the_whole(
    tmp_path: Path,
) -> None:
    step, killed = 0, True
    while killed:
        store = Store(tmp_path / str(step))
        a_small_version(store)
        killed = killed_before(step, a_withdrawal, store)
        shown = store.visible / "mine" / "1.0.0"
        assert (shown / WITHDRAWN_NAME).is_file() or find_damage(shown) == []
        a_withdrawal(store)
        assert {p.name for p in shown.iterdir()} == {"card.json", WITHDRAWN_NAME}
        assert store.damage("mine", "1.0.0") == []
        step += 4
    assert step > 10, "the steps of withdrawing are not counted any more"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Disks of a size or a number of files, as the options of a tmpfs say."""
    places: list[Path] = []

    def make(options: str) -> Path:
        place = tmp_path / f"disk{len(places)}"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        if subprocess.run(command, check=False, capture_output=True).returncode:
            pytest.skip("a small disk needs the right to mount one")
        places.append(place)
        return place

    yield make
    for place in places:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("options", ["size={}k", "nr_inodes={}"])
def test_a_disk_that_fills_at_any_point_leaves_no_half_version(
    small_disk: Callable[[str], Path], options: str
) -> None:
    outcomes = []
    for amount in (12, 24, 40, 52, 60, 72, 120, 400):
        store = Store(small_disk(options.format(amount)))
        try:
            a_small_version(store)
            outcomes.append("published")
        except NoRoom:
            outcomes.append("refused")
            assert store.groups.seen_by("mine", "1.0.0") == []
            assert list(store.all_versions.glob("*/*")) == []
            assert leftovers(store) == []
        assert half_versions(store) == []
    assert outcomes == sorted(outcomes, reverse=True)
    assert set(outcomes) == {"refused", "published"}
