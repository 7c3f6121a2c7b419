"""The audit: what staff did for whom, and why, newest first.

Administrators see all; instructors what they did, and what was done for sessions and places of the
groups that they teach.
"""

from __future__ import annotations

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse

from hub_config.portal.gate import Here
from hub_config.portal.pages.invites import staff
from hub_config.portal.pages.render import N_, page
from hub_config.usage.api import visible_entries

router = APIRouter(prefix="/audit", dependencies=[Depends(staff)])
MOST_ROWS = 500
# A search looks further back than the page shows: "nothing matches" is to be true.
MOST_SEARCHED = 100_000
# What the portal, the API and the commands write; anything else is shown as it is.
ACTION_TEXT = {
    "start": N_("started a server"),
    "stop": N_("stopped a server"),
    "extend": N_("extended a session"),
    "move_up": N_("moved up in the queue"),
    "leave": N_("took out of the queue"),
    "quota": N_("changed a quota"),
}


@router.get("")
def audit(visit: Here, q: str = "") -> HTMLResponse:
    """The newest entries; with `q` those that bear it in a name or the reason."""
    wanted = q.strip().casefold()
    entries = visible_entries(visit.services, visit.person, MOST_SEARCHED if wanted else MOST_ROWS)
    found = [
        entry
        for entry in entries
        if any(wanted in (x or "").casefold() for x in (entry.by, entry.username, entry.reason))
    ]
    return page(visit, "audit.html", entries=found[:MOST_ROWS], actions=ACTION_TEXT, q=q.strip())
