"""Who may do what, in JupyterHub's own words: custom scopes and the roles that hold them; pure.

Nobody is a Hub administrator. Administrators and instructors act through the portal, which asks
the Hub who is in which group; their roles here are what an API token of theirs may do there, and
their names in scripts. The Hub's own admin page would need `admin:users`, whose holder can raise
themselves to anything, so that nobody gets it and the portal does that work.
"""

from __future__ import annotations

from typing import Any

from hub_config.groups.rules import (
    ADMINISTRATOR_SCOPES,
    ADMINISTRATORS,
    INSTRUCTOR_SCOPES,
    INSTRUCTORS,
    SCOPES,
)

PORTAL = "radlab"

# What the portal itself may do: look, start, stop, and say who is in which group. It starts what
# somebody waits for, or was given by staff; it cannot enter a server, nor make, rename or raise a
# user: no `admin:users`. `groups` alone would not do: the Hub learns of a class group, and of its
# instructors' group, when the first person comes into it, and to make one is `admin:groups`, which
# contains `groups`. That raises nobody: the worst it can do is to put somebody into
# `administrators`, who hold custom scopes and nothing of the Hub's own; and whoever can act through
# the portal's database can make administrators' codes there anyway.
_OF_PORTAL = [
    "list:users",
    "read:users",
    "read:servers",
    "read:hub",
    "start:servers",
    "delete:servers",
    "admin:groups",
]


def custom_scopes() -> dict[str, dict[str, str]]:
    """What `JupyterHub.custom_scopes` is set to."""
    return {name: {"description": text} for name, text in SCOPES.items()}


def roles() -> list[dict[str, Any]]:
    """What `JupyterHub.load_roles` is set to."""
    return [
        {
            "name": "radlab-administrator",
            "description": "Administers RadLab through its portal.",
            "scopes": list(ADMINISTRATOR_SCOPES),
            "groups": [ADMINISTRATORS],
        },
        {
            "name": "radlab-instructor",
            "description": "Teaches class groups of RadLab through its portal.",
            "scopes": list(INSTRUCTOR_SCOPES),
            "groups": [INSTRUCTORS],
        },
        {
            "name": "radlab-portal",
            "description": "RadLab's portal: sees and groups people; sees, starts, stops servers.",
            "scopes": _OF_PORTAL,
            "services": [PORTAL],
        },
    ]


def user_scopes() -> set[str]:
    """What every user may do beside JupyterHub's own: open the portal."""
    return {f"access:services!service={PORTAL}"}


def portal_service(url: str, token: str) -> dict[str, Any]:
    """The portal as one of `JupyterHub.services`; it runs apart from the Hub."""
    return {
        "name": PORTAL,
        "url": url,
        "api_token": token,
        "oauth_client_id": f"service-{PORTAL}",
        "oauth_redirect_uri": f"/services/{PORTAL}/oauth_callback",
        "oauth_no_confirm": True,
        "oauth_client_allowed_scopes": sorted(SCOPES),
        "display": True,
    }
