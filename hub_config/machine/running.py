"""Starting and stopping the platform, whoever supervises it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol

from hub_config.errors import Unready
from hub_config.machine.background import Background
from hub_config.machine.engine import has_systemd
from hub_config.machine.progress import Say
from hub_config.machine.services import NAMES, stamp, trouble
from hub_config.machine.systemd import Systemd
from hub_config.settings import Settings

_READY_SECONDS = 120.0


class ServiceSilent(Unready):
    """A service was started and does not answer."""

    code = "service_silent"


class Manager(Protocol):
    """Who supervises services."""

    def prepare(self) -> bool:
        """Write what supervision needs and let a reboot start it; whether anything changed."""

    def retire(self) -> None:
        """Let no reboot start it again until the next `prepare`."""

    def running(self, name: str) -> bool:
        """Whether the service is supervised now."""

    def start(self, name: str) -> None:
        """Start it."""

    def stop(self, name: str) -> None:
        """Stop it; returns when it is gone."""

    def log(self, name: str, follow: bool, lines: int) -> list[str]:
        """The words that show its log."""


def manager(settings: Settings) -> Manager:
    """systemd where it runs the machine, else our own supervisors."""
    return Systemd(settings) if has_systemd() else Background(settings)


def start_service(
    settings: Settings, supervise: Manager, name: str, say: Say, again: bool = False
) -> bool:
    """Start it, or start it anew where what it runs has changed; False where it ran as it is.

    `again` starts it anew in any case: what supervises it has changed.
    """
    wanted = stamp(settings, name)
    mark = _mark(settings, name)
    runs = supervise.running(name)
    if runs and not again and mark.is_file() and mark.read_text() == wanted:
        return False
    if runs:
        say(f"starting {name} again: what it runs has changed")
        supervise.stop(name)
    else:
        say(f"starting {name}")
    supervise.start(name)
    mark.write_text(wanted)
    return True


def wait_ready(settings: Settings, supervise: Manager, name: str) -> None:
    """Return when the service answers; ServiceSilent with the command that shows why not."""
    deadline = time.monotonic() + _READY_SECONDS
    reason = trouble(settings, name)
    while reason:
        if time.monotonic() > deadline:
            raise ServiceSilent(
                "The {name} does not answer: {reason}.",
                do="See `./radlab logs {name}`, then `./radlab up` again.",
                name=name,
                reason=reason.rstrip("."),
            )
        time.sleep(0.2)
        reason = trouble(settings, name)


def stop_services(settings: Settings, say: Say) -> list[str]:
    """Stop all that runs, the last started first, for good; the names of those that ran."""
    supervise = manager(settings)
    stopped = []
    for name in reversed(NAMES):
        if supervise.running(name):
            say(f"stopping {name}")
            stopped.append(name)
        supervise.stop(name)
        _mark(settings, name).unlink(missing_ok=True)
    supervise.retire()
    return stopped


def _mark(settings: Settings, name: str) -> Path:
    return settings.path("run", f"{name}.stamp")
