"""Usage: for staff who used what and when, with filters and a CSV; for a student "my usage"."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from urllib.parse import urlencode

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from hub_config import clock
from hub_config.errors import RadLabError
from hub_config.gpus.model import ENDED_TEXT
from hub_config.portal.gate import Here, Visit
from hub_config.portal.pages.modules import module_titles
from hub_config.portal.pages.render import N_, page
from hub_config.portal.quota_form import FIELDS
from hub_config.usage.api import mine, visible_records
from hub_config.usage.model import Record

router = APIRouter(prefix="/usage")
SINCE_TEXT = {
    "1d": N_("1 day"),
    "week": N_("this week"),
    "30d": N_("30 days"),
    "365d": N_("a year"),
}
# More rows make a page that nobody reads: the CSV has them all.
MOST_ROWS = 500
_DAYS = timedelta(days=30)


@router.get("")
async def usage(visit: Here, since: str = "30d", user: str = "", group: str = "") -> HTMLResponse:
    """The records that one may see, newest first; a student's own with what binds them."""
    if visit.person.is_administrator or visit.person.is_instructor:
        return await _records(visit, {"since": since, "user": user.strip(), "group": group})
    return await my_usage(visit)


@router.get("/mine")
async def my_usage(visit: Here) -> HTMLResponse:
    """Hours of this week, what binds, the home, and the sessions of 30 days."""
    own, records, titles = await asyncio.gather(
        asyncio.to_thread(mine, visit.services, visit.person, clock.now()),
        asyncio.to_thread(_own, visit),
        asyncio.to_thread(module_titles, visit.services, visit.language),
    )
    return page(
        visit,
        "my_usage.html",
        mine=own,
        records=list(reversed(records)),
        titles=titles,
        fields=FIELDS,
        ended=ENDED_TEXT,
    )


async def _records(visit: Visit, values: dict[str, str]) -> HTMLResponse:
    error, found = None, list[Record]()
    try:
        found = await asyncio.to_thread(_found, visit, values)
    except RadLabError as refusal:
        error = refusal
    titles = await asyncio.to_thread(module_titles, visit.services, visit.language)
    groups = [
        group.name
        for group in await asyncio.to_thread(visit.services.groups.all)
        if visit.person.is_administrator or group.name in visit.person.taught
    ]
    return page(
        visit,
        "usage.html",
        records=list(reversed(found))[:MOST_ROWS],
        total=len(found),
        hours=sum(record.gpu_hours for record in found),
        people=len({record.username for record in found}),
        csv=urlencode({key: value for key, value in values.items() if value}),
        groups=groups,
        spans=SINCE_TEXT,
        titles=titles,
        ended=ENDED_TEXT,
        values=values,
        error=error,
    )


def _own(visit: Visit) -> list[Record]:
    now = clock.now()
    return visit.services.usage.records(now - _DAYS, now, usernames=[visit.person.name])


def _found(visit: Visit, values: dict[str, str]) -> list[Record]:
    return visible_records(
        visit.services.usage,
        visit.person,
        clock.now(),
        since=values["since"] or None,
        user=values["user"] or None,
        group=values["group"] or None,
    )
