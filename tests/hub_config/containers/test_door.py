"""Who may use the keeper's socket, or put another there; and that the doctor sees it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from containers_support import FakeKeeper

from hub_config.containers.door import problems
from hub_config.machine import checks_after
from hub_config.network.walls import report
from hub_config.settings import Settings

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture
def site() -> Iterator[Settings]:
    with tempfile.TemporaryDirectory(prefix="radlab-door-") as folder:
        settings = Settings(state=folder)
        settings.make_folders()
        keeper = FakeKeeper(settings)
        keeper.begin()
        yield settings
        keeper.end()


def test_as_it_should_be_there_is_nothing_to_say(site: Settings) -> None:
    assert problems(site) == []
    report(site, [])
    assert checks_after.keeper(site).ok


def test_a_socket_for_everybody_is_found(site: Settings) -> None:
    site.path("run", "keeper.sock").chmod(0o666)
    assert ["everybody may use" in one for one in problems(site)] == [True]
    report(site, [])
    assert not checks_after.keeper(site).ok


@pytest.mark.parametrize("parts", [(), ("run",), ("run", "keeper.sock")])
def test_folders_in_which_others_could_swap_it_are_found(
    site: Settings, parts: tuple[str, ...]
) -> None:
    os.chown(site.path(*parts), 65534, -1)
    assert ["does not belong to root" in one for one in problems(site)] == [True]


def test_what_is_no_socket_or_missing_is_found(site: Settings) -> None:
    path: Path = site.path("run", "keeper.sock")
    path.unlink()
    assert len(problems(site)) == 1
    path.touch(mode=0o660)
    assert ["is no socket" in one for one in problems(site)] == [True]
