"""What works in this server: kernels and terminals, and not the tabs that show them.

Jupyter notes for each kernel when it last ran something, and leaves out what a page asks of it
while it is merely open; for each terminal when it last read or wrote.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any


def beat(kernels: Any, terminals: Any, now: datetime | None = None) -> dict[str, Any]:
    """What the Hub is told: how many there are, how many compute, when something last happened.

    `kernels` and `terminals` are the server's managers; either may be None.
    """
    now = now or datetime.now(UTC)
    running = [kernels.get_kernel(one) for one in _ids(kernels)]
    shells = list(getattr(terminals, "terminals", {}).values())
    return {
        "kernels": len(running),
        "kernels_busy": sum(_state(kernel) == "busy" for kernel in running),
        "terminals": len(shells),
        "active_seconds": _seconds_since([*running, *shells], now),
    }


def pids(kernels: Any) -> dict[str, int]:
    """The process of each kernel that runs as one, by the kernel's id."""
    found = {}
    for one in _ids(kernels):
        pid = getattr(getattr(kernels.get_kernel(one), "provisioner", None), "pid", None)
        if pid:
            found[one] = int(pid)
    return found


def watch_again(kernels: Any, restarted: Iterable[str]) -> None:
    """Let Jupyter listen to these kernels, which it started again by itself after their end.

    It goes on listening where the old process spoke, so that such a kernel would count as busy for
    ever, with what its last cell was doing.
    """
    for one in restarted:
        kernels.stop_watching_activity(one)
        kernels.get_kernel(one).execution_state = "idle"
        kernels.start_watching_activity(one)


def _ids(kernels: Any) -> list[str]:
    return list(kernels.list_kernel_ids()) if kernels is not None else []


def _state(kernel: Any) -> str | None:
    return getattr(kernel, "execution_state", None)


def _seconds_since(things: Iterable[Any], now: datetime) -> float | None:
    moments = [getattr(thing, "last_activity", None) for thing in things]
    known = [moment for moment in moments if moment is not None]
    return max(0.0, (now - max(known)).total_seconds()) if known else None
