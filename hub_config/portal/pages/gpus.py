"""GPUs: what the machine has, which group each belongs to, who holds it."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse, Response

from hub_config.errors import RadLabError
from hub_config.gpus.model import UNUSABLE_TEXT
from hub_config.portal.gate import Here, Visit
from hub_config.portal.pages.groups import Text, administrators
from hub_config.portal.pages.render import N_, go, page

router = APIRouter(prefix="/gpus", dependencies=[Depends(administrators)])


@router.get("")
def gpus(visit: Here) -> HTMLResponse:
    """All GPUs, each with a form that gives it to a group."""
    return _show(visit)


@router.post("/{uuid}/group")
def assign(visit: Here, uuid: str, group: Text = "") -> Response:
    """Give a GPU to a group, or to nobody."""
    try:
        row = visit.services.devices.assign(uuid, group or None, visit.person.name)
    except RadLabError as error:
        return _show(visit, error=error)
    if row.lease and group:
        message = N_("GPU {index} belongs to {group} now; the session of {holder} on it runs on.")
    elif row.lease:
        message = N_("GPU {index} belongs to nobody now; the session of {holder} on it runs on.")
    elif group:
        message = N_("GPU {index} belongs to {group} now.")
    else:
        message = N_("GPU {index} belongs to nobody now.")
    holder = row.lease.username if row.lease else ""
    return go(visit, "gpus", message, index=str(row.index), group=group, holder=holder)


def _show(visit: Visit, *, error: RadLabError | None = None) -> HTMLResponse:
    return page(
        visit,
        "gpus.html",
        devices=visit.services.devices.all(),
        groups=visit.services.groups.all(),
        unusable=UNUSABLE_TEXT,
        error=error,
    )
