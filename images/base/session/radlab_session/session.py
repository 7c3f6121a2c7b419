"""What a session is, read from its environment and its home: the facts that JupyterLab shows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from radlab_session import room


def session(environ: Mapping[str, str]) -> dict[str, Any]:
    """The session as environment and home describe it now.

    `ends_at` is ISO 8601 in UTC or None; `notices` are the codes that `radlab-start` found:
    `home_full`, `module_missing`, `module_read_only`.
    """
    free = room.free_bytes(Path(environ.get("HOME", "/")))
    return {
        "lease": environ.get("RADLAB_LEASE"),
        "ends_at": environ.get("RADLAB_SESSION_ENDS") or None,
        "warn_minutes": int(environ.get("RADLAB_WARN_MINUTES") or 10),
        "gpus": _words(environ.get("RADLAB_GPUS", "")),
        "simulated": environ.get("RADLAB_GPUS_SIMULATED") == "1",
        "module": environ.get("RADLAB_MODULE") or None,
        "home_free_bytes": free,
        "home_full": free is not None and free < room.NEEDED_BYTES,
        "notices": _words(environ.get("RADLAB_NOTICES", "")),
    }


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]
