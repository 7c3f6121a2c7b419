"""Quotas of groups and people: what binds, what is in use now, and a form that sets it.

Administrators set; instructors see what `GET /api/quotas` gives them: those of the groups that they
teach and of the people in them, and their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from hub_config import clock
from hub_config.errors import RadLabError
from hub_config.groups.rules import Person
from hub_config.portal import members
from hub_config.portal.gate import Here, Visit
from hub_config.portal.pages.groups import Text, administrators
from hub_config.portal.pages.invites import staff
from hub_config.portal.pages.render import N_, go, page
from hub_config.portal.quota_form import FIELDS, filled, kind_of, limits_of
from hub_config.portal.services import Services
from hub_config.usage.api import may_see
from hub_config.usage.model import Held, Kind, Over, Quota
from hub_config.usage.refusals import LIMIT_TEXT, NoQuota

router = APIRouter(prefix="/quotas", dependencies=[Depends(staff)])
# The message travels in a cookie, and a cookie has 4096 bytes: a class's homes would not fit.
_MOST_TOLD = 10
_MORE = N_("{count} more")
KIND_TEXT = {Kind.GROUP: N_("group"), Kind.PERSON: N_("person")}


@dataclass(frozen=True)
class Row:
    """Whom it is about, what binds them (None: nothing), and what they hold."""

    kind: Kind
    name: str
    quota: Quota | None
    held: Held

    def used(self, what: str) -> float | None:
        """How much of the limit `what` is in use; None where that is not counted here."""
        value: float | None = getattr(self.held, what, None)
        return value

    def limit(self, what: str) -> float | None:
        """The limit `what`; None: no limit."""
        value: float | None = getattr(self.quota.limits, what) if self.quota else None
        return value


@router.get("")
async def quotas(visit: Here, kind: str = "", name: str = "") -> HTMLResponse:
    """All of them, and the form: empty, or filled with the one of `kind` and `name`."""
    return await _show(visit, values=await asyncio.to_thread(_chosen, visit.services, kind, name))


@router.post("", dependencies=[Depends(administrators)])
async def set_quota(visit: Here, request: Request) -> Response:
    """Let the limits of the form bind; an empty field is no limit."""
    form = {key: value for key, value in (await request.form()).items() if isinstance(value, str)}
    name = form.get("name", "").strip()
    try:
        kind = kind_of(form.get("kind", ""))
        kept = await asyncio.to_thread(
            visit.services.quotas.set,
            kind,
            name,
            limits_of(form),
            visit.person.name,
            reason=form.get("reason", "").strip(),
        )
    except RadLabError as error:
        values = {"kind": "group", "reason": "", **dict.fromkeys(FIELDS, ""), **form, "name": name}
        return await _show(visit, values=values, error=error)
    if kept.over:
        message = N_("The quota of {name} binds now. In use already, and not ended by it: {over}.")
        return go(visit, "quotas", message, name=name, over=_told(visit, kept.over))
    return go(visit, "quotas", N_("The quota of {name} binds now."), name=name)


@router.post("/{kind}/{name}/remove", dependencies=[Depends(administrators)])
async def remove(visit: Here, kind: str, name: str, reason: Text = "") -> Response:
    """Lift every limit; no question before it, since it can be set again."""
    store, by = visit.services.quotas, visit.person.name
    await asyncio.to_thread(store.remove, kind_of(kind), name, by, reason=reason)
    return go(visit, "quotas", N_("Nothing binds {name} any more."), name=name)


def _told(visit: Visit, over: tuple[Over, ...]) -> str:
    told = [
        f"{visit.gettext(LIMIT_TEXT[one.what])}: {one.used:g} > {one.limit:g}"
        + (f" ({one.username})" if one.username else "")
        for one in over[:_MOST_TOLD]
    ]
    more = len(over) - len(told)
    return "; ".join([*told, *([visit.gettext(_MORE).format(count=more)] if more else [])])


def _chosen(services: Services, kind: str, name: str) -> dict[str, str]:
    empty = {"kind": kind or "group", "name": name, "reason": "", **dict.fromkeys(FIELDS, "")}
    if not name:
        return empty
    try:
        return {**empty, **filled(services.quotas.get(kind_of(kind), name).limits)}
    except NoQuota:
        return empty


async def _show(
    visit: Visit, *, values: Mapping[str, str], error: RadLabError | None = None
) -> HTMLResponse:
    services, person = visit.services, visit.person
    students = await members.students(visit)
    rows = await asyncio.to_thread(_rows, services, person, students)
    return page(
        visit,
        "quotas.html",
        rows=rows,
        groups=await asyncio.to_thread(services.groups.all),
        fields=FIELDS,
        limits=LIMIT_TEXT,
        kinds=KIND_TEXT,
        values=values,
        error=error,
    )


def _rows(services: Services, person: Person, students: frozenset[str]) -> list[Row]:
    now, store = clock.now(), services.quotas
    kept = {(quota.kind, quota.name): quota for quota in store.all()}
    groups = [(Kind.GROUP, group.name) for group in services.groups.all()]
    people = [key for key in kept if key[0] is Kind.PERSON]
    return [
        Row(kind, name, kept.get((kind, name)), store.held(kind, name, now))
        for kind, name in [*groups, *people]
        if may_see(person, kind, name, students)
    ]
