"""GPUs: what the machine has, whose each is (a group's, the pool's, nobody's), who holds it."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse, Response

from hub_config.errors import RadLabError
from hub_config.gpus.model import UNUSABLE_TEXT
from hub_config.portal.gate import Here, Visit
from hub_config.portal.pages.groups import Text, administrators
from hub_config.portal.pages.render import N_, go, page

# No class group can have this name: it is what the form says for "everybody".
POOL = ":pool"
# Without a session on it, and with one.
_ASSIGNED = {
    "pool": (
        N_("Everybody may use GPU {index} now."),
        N_("Everybody may use GPU {index} now; the session of {holder} on it runs on."),
    ),
    "group": (
        N_("GPU {index} belongs to {group} now."),
        N_("GPU {index} belongs to {group} now; the session of {holder} on it runs on."),
    ),
    "nobody": (
        N_("GPU {index} belongs to nobody now."),
        N_("GPU {index} belongs to nobody now; the session of {holder} on it runs on."),
    ),
}
router = APIRouter(prefix="/gpus", dependencies=[Depends(administrators)])


@router.get("")
def gpus(visit: Here) -> HTMLResponse:
    """All GPUs, each with a form that gives it to a group."""
    return _show(visit)


@router.post("/{uuid}/group")
def assign(visit: Here, uuid: str, group: Text = "") -> Response:
    """Give a GPU to a group, to the pool, or to nobody."""
    pool = group == POOL
    try:
        row = visit.services.devices.assign(
            uuid, None if pool else group or None, visit.person.name, pool=pool
        )
    except RadLabError as error:
        return _show(visit, error=error)
    message = _ASSIGNED["pool" if pool else "group" if group else "nobody"][bool(row.lease)]
    holder = row.lease.username if row.lease else ""
    return go(visit, "gpus", message, index=str(row.index), group=group, holder=holder)


@router.post("/{uuid}/draining")
def drain(visit: Here, uuid: str, on: Text = "") -> Response:
    """Grant nothing new on a GPU, so that it can be taken out; or grant again."""
    try:
        row = visit.services.devices.drain(uuid, bool(on), visit.person.name)
    except RadLabError as error:
        return _show(visit, error=error)
    message = (
        N_("Nothing new starts on GPU {index}; what runs on it goes on to its end.")
        if on
        else N_("GPU {index} is granted again.")
    )
    return go(visit, "gpus", message, index=str(row.index))


def _show(visit: Visit, *, error: RadLabError | None = None) -> HTMLResponse:
    return page(
        visit,
        "gpus.html",
        devices=visit.services.devices.all(),
        groups=visit.services.groups.all(),
        unusable=UNUSABLE_TEXT,
        pool=POOL,
        error=error,
    )
