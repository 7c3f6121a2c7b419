"""What somebody in line is told when the place ends without a server."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hub_config import clock
from hub_config.gpus.model import LeaseRequest
from hub_config.language import translator
from hub_config.queueing.model import Place, State
from hub_config.spawning.refusal import place_ended

NOW = clock.now()
LEFT = Place(
    id="p1",
    username="sam",
    server_name="",
    options={},
    request=LeaseRequest(username="sam", cpus=1, memory_mb=1024, minutes=60, image="base"),
    priority=0,
    rank_at=NOW,
    entered_at=NOW,
    entered_by="sam",
    expected_at=None,
    state=State.LEFT,
    attempts=0,
    lease_id=None,
    ended_at=NOW,
    why="sam",
)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (LEFT, "This place in line was given up."),
        (replace(LEFT, why="ines"), "An administrator or instructor took you out of the line."),
        (replace(LEFT, why="shell:root"), "An administrator or instructor took you out"),
        (replace(LEFT, state=State.FAILED, why="3 attempts"), "could not be started"),
    ],
)
def test_who_ended_a_place_is_said_without_a_name(place: Place, words: str) -> None:
    refusal = place_ended(place)
    assert words in str(refusal)
    assert "ines" not in str(refusal) and "shell" not in str(refusal)
    assert "。" in refusal.localised(translator("zh_CN"))
