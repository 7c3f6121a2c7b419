"""How a student container starts (`start`), and what it tells JupyterLab about itself (`server`).

The spawner speaks to it through the environment alone: RADLAB_LEASE, RADLAB_MODULE,
RADLAB_MODULE_VERSION, RADLAB_LANGUAGE, RADLAB_SESSION_ENDS, RADLAB_WARN_MINUTES, RADLAB_GPUS and
RADLAB_GPUS_SIMULATED.
"""

from __future__ import annotations

from typing import Any


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "radlab_session"}]


def _load_jupyter_server_extension(server: Any) -> None:
    # Imported here: `start` runs before Jupyter's packages, which take most of a start.
    from radlab_session import lean

    lean.settle()
    from radlab_session.server import add_routes

    add_routes(server)
