"""Who starts a container believes the keeper's heartbeat, and only a fresh one."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from hub_config import clock
from hub_config.network.walls import WallsDown, report, require_walls
from hub_config.settings import Settings


def test_fresh_and_standing_walls_let_a_container_start(settings: Settings) -> None:
    report(settings, [])
    require_walls(settings)


def test_no_heartbeat_means_no_walls(settings: Settings) -> None:
    with pytest.raises(WallsDown, match=r"radlab up"):
        require_walls(settings)


def test_the_reason_is_passed_on(settings: Settings) -> None:
    report(settings, ["the IPv4 chain RADLAB-IN-lab is missing"])
    with pytest.raises(WallsDown, match="RADLAB-IN-lab is missing"):
        require_walls(settings)


@pytest.mark.parametrize("seconds", [31, -31])
def test_an_old_heartbeat_or_one_from_the_future_is_not_believed(
    settings: Settings, seconds: int
) -> None:
    moment = clock.to_iso(clock.now() - timedelta(seconds=seconds))
    path = settings.path("run", "walls.json")
    path.write_text(json.dumps({"ok": True, "reason": "", "checked_at": moment}))
    with pytest.raises(WallsDown, match="seconds ago"):
        require_walls(settings)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"ok": true}', "null"])
def test_a_broken_heartbeat_means_no_walls(settings: Settings, content: str) -> None:
    settings.path("run", "walls.json").write_text(content)
    with pytest.raises(WallsDown):
        require_walls(settings)
