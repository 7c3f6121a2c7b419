"""What a session is: the facts that JupyterLab shows.

Environment and home say what they can; where the Hub was heard, it knows better when the session
ends, and alone knows why, and whether it can be extended.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from radlab_session import room

FROM_HUB = ("ends_at", "warn_minutes", "stop_why", "extend", "disk", "oom")


def session(environ: Mapping[str, str], heard: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The session as environment, home and Hub (`heard`) describe it now.

    `ends_at` is ISO 8601 in UTC or None; `stop_why` is `idle`, `recalled` or `hours_used` where it
    ends before its time; `extend` is {minutes, refused}, None where the end is not near; `notices`
    are the codes that `radlab-start` found: `home_full`, `module_missing`, `module_read_only`,
    `module_new_version`.
    """
    free = room.free_bytes(Path(environ.get("HOME", "/")))
    told = {
        "lease": environ.get("RADLAB_LEASE"),
        "ends_at": environ.get("RADLAB_SESSION_ENDS") or None,
        "warn_minutes": int(environ.get("RADLAB_WARN_MINUTES") or 10),
        "stop_why": None,
        "extend": None,
        "disk": None,
        "oom": None,
        "gpus": _words(environ.get("RADLAB_GPUS", "")),
        "simulated": environ.get("RADLAB_GPUS_SIMULATED") == "1",
        "module": environ.get("RADLAB_MODULE") or None,
        "module_version": environ.get("RADLAB_MODULE_VERSION") or None,
        "home_free_bytes": free,
        "home_full": free is not None and free < room.NEEDED_BYTES,
        "notices": _words(environ.get("RADLAB_NOTICES", "")),
    }
    return told | {name: heard[name] for name in FROM_HUB if name in (heard or {})}


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]
