"""The portal: RadLab's pages and API for administrators, instructors and students.

An externally managed service of JupyterHub, behind its proxy at `PREFIX`. People sign in through
the Hub; what they may do follows from their groups there. Servers are stopped through the Hub's
REST API, never through Docker.
"""

from __future__ import annotations

PREFIX = "/services/radlab"
SERVICE = "radlab"
CLIENT_ID = f"service-{SERVICE}"
TOKEN_SECRET = "portal_token"
