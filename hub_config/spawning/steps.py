"""The steps of a start, in order, as the pending page tells them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Step(StrEnum):
    """Where a start is."""

    ASKED = "asked"
    HOME = "home"
    CONTAINER = "container"
    LAB = "lab"


@dataclass(frozen=True)
class Told:
    """What is said of a step (a message for gettext), and the percentage that is done by then."""

    message: str
    done: int


STEPS = {
    Step.ASKED: Told("Looking for a free place…", 10),
    Step.HOME: Told("Preparing your files…", 25),
    Step.CONTAINER: Told("Starting your container…", 40),
    Step.LAB: Told("Waiting for JupyterLab…", 65),
}
