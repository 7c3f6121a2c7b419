"""`GET /radlab/session`: what JupyterLab shows about the session, as JSON.

`{"lease", "ends_at", "warn_minutes", "gpus", "simulated", "module", "home_free_bytes",
"home_full", "notices"}`; `ends_at` is ISO 8601 in UTC or null, `notices` are the codes that
`radlab-start` found: `home_full`, `module_missing`, `module_read_only`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web

from radlab_session import room


def session(environ: Mapping[str, str]) -> dict[str, Any]:
    """The session as the environment and the home describe it now."""
    free = room.free_bytes(Path(environ.get("HOME", "/")))
    listed = {name: _words(environ.get(name, "")) for name in ("RADLAB_GPUS", "RADLAB_NOTICES")}
    return {
        "lease": environ.get("RADLAB_LEASE"),
        "ends_at": environ.get("RADLAB_SESSION_ENDS") or None,
        "warn_minutes": int(environ.get("RADLAB_WARN_MINUTES") or 10),
        "gpus": listed["RADLAB_GPUS"],
        "simulated": environ.get("RADLAB_GPUS_SIMULATED") == "1",
        "module": environ.get("RADLAB_MODULE") or None,
        "home_free_bytes": free,
        "home_full": free is not None and free < room.NEEDED_BYTES,
        "notices": listed["RADLAB_NOTICES"],
    }


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


class SessionHandler(APIHandler):
    """Answers the student's own browser, and nobody else."""

    auth_resource = "radlab"

    @web.authenticated
    def get(self) -> None:
        """Answer with the session as it is now."""
        self.finish(json.dumps(session(os.environ)))


def add_route(server: Any) -> None:
    """Add the route to a running Jupyter server."""
    base = server.web_app.settings["base_url"]
    server.web_app.add_handlers(".*$", [(url_path_join(base, "radlab/session"), SessionHandler)])
