"""`GET /radlab/session`: the facts of `session.py` as JSON, for the student's own browser."""

from __future__ import annotations

import json
import os
from typing import Any

from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web

from radlab_session.session import session


class SessionHandler(APIHandler):
    """Answers whoever is signed in to this server, and nobody else."""

    auth_resource = "radlab"

    @web.authenticated
    def get(self) -> None:
        """Answer with the session as it is now."""
        self.finish(json.dumps(session(os.environ)))


def add_route(server: Any) -> None:
    """Add the route to a running Jupyter server."""
    base = server.web_app.settings["base_url"]
    server.web_app.add_handlers(".*$", [(url_path_join(base, "radlab/session"), SessionHandler)])
