"""The steps of a start, in order, as the pending page tells them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Step(StrEnum):
    """Where a start is."""

    ASKED = "asked"
    WAITING = "waiting"
    STARTING = "starting"


@dataclass(frozen=True)
class Told:
    """What is said of a step (a message for gettext), and the percentage that is done by then."""

    message: str
    done: int


STEPS = {
    Step.ASKED: Told("Looking for a free place…", 5),
    Step.WAITING: Told("Waiting for your turn…", 15),
    Step.STARTING: Told("Starting your container and JupyterLab…", 55),
}
