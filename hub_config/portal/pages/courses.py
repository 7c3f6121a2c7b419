"""Courses: for staff what is published, for whom, and how far students are; for students theirs.

A module is published from a Git address by a request that the keeper carries out; its page says
how it goes while it runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form
from fastapi.responses import HTMLResponse, Response

from hub_config.errors import RadLabError
from hub_config.groups.rules import Group
from hub_config.portal.courses import class_progress
from hub_config.portal.gate import Here, Visit
from hub_config.portal.pages.invites import staff
from hub_config.portal.pages.modules import module_titles
from hub_config.portal.pages.render import N_, go, page
from hub_config.teaching import api
from hub_config.teaching.courses import Course, all_courses, find, visible
from hub_config.teaching.model import State

router = APIRouter(prefix="/courses")
Text = Annotated[str, Form()]
Texts = Annotated[list[str], Form(default_factory=list)]
STATE_TEXT = {
    State.WAITING: N_("waiting"),
    State.RUNNING: N_("being checked"),
    State.DONE: N_("published"),
    State.FAILED: N_("not published"),
}
_NOTHING: Mapping[str, Any] = {"source": "", "groups": [], "everyone": ""}


@router.get("")
async def courses(visit: Here) -> HTMLResponse:
    """The modules that one sees: as a table for staff, as cards for students."""
    if visit.person.is_administrator or visit.person.is_instructor:
        return await _show(visit)
    found, mine = await asyncio.gather(
        asyncio.to_thread(_courses, visit),
        asyncio.to_thread(api.mine, visit.services, visit.person),
    )
    shown = {one.module: one for one in mine}
    return page(visit, "my_courses.html", courses=found, shown=shown)


@router.post("/publications", dependencies=[Depends(staff)])
async def publish(visit: Here, groups: Texts, source: Text = "", everyone: Text = "") -> Response:
    """Ask for a module to be checked and published."""
    try:
        asked = await asyncio.to_thread(
            api.publish, visit.services, visit.person, source, groups, everyone=bool(everyone)
        )
    except RadLabError as error:
        values = {"source": source, "groups": groups, "everyone": everyone}
        return await _show(visit, error=error, values=values)
    return go(
        visit,
        f"courses/publications/{asked.id}",
        N_("It was asked for. The module is built, run and checked before students see it."),
    )


@router.get("/publications/{id}", dependencies=[Depends(staff)])
def publication(visit: Here, id: str) -> HTMLResponse:
    """How far a publication is, and what it has said."""
    found = api.publication(visit.services, visit.person, id)
    return page(visit, "publication.html", publication=found, states=STATE_TEXT)


@router.get("/progress", dependencies=[Depends(staff)])
async def progress(visit: Here, group: str = "") -> HTMLResponse:
    """Students by modules, with the points of those who show them."""
    services = visit.services
    found, titles, groups = await asyncio.gather(
        class_progress(services, visit.person, group or None),
        asyncio.to_thread(module_titles, services, visit.language),
        asyncio.to_thread(_own_groups, visit),
    )
    return page(visit, "progress.html", progress=found, titles=titles, groups=groups, group=group)


@router.get("/{id}/audience", dependencies=[Depends(staff)])
def ask_audience(visit: Here, id: str) -> HTMLResponse:
    """Who sees the module, and the form that changes it."""
    return _audience(visit, id)


@router.post("/{id}/audience", dependencies=[Depends(staff)])
def set_audience(visit: Here, id: str, groups: Texts, everyone: Text = "") -> Response:
    """Offer the module to everyone or to these groups; to nobody, it is withdrawn."""
    try:
        course = api.offer(visit.services, visit.person, id, groups, everyone=bool(everyone))
    except RadLabError as error:
        return _audience(visit, id, error=error, chosen=groups)
    title = course.module.title_in(visit.language)
    if course.audience is None:
        return go(visit, "courses", N_("Everyone sees {module} now."), module=title)
    if not course.audience:
        message = N_("{module} is withdrawn. Copies that students have stay theirs.")
        return go(visit, "courses", message, module=title)
    message = N_("{module} is for {groups} now.")
    return go(visit, "courses", message, module=title, groups=", ".join(course.audience))


def _courses(visit: Visit) -> list[Course]:
    services = visit.services
    return visible(visit.person, all_courses(services.settings.path("modules"), services.offers))


def _own_groups(visit: Visit) -> list[Group]:
    """The class groups that the person may offer a module to."""
    everything = visit.services.groups.all()
    person = visit.person
    return [one for one in everything if person.is_administrator or one.name in person.taught]


async def _show(
    visit: Visit, *, error: RadLabError | None = None, values: Mapping[str, Any] | None = None
) -> HTMLResponse:
    found, groups, publications = await asyncio.gather(
        asyncio.to_thread(_courses, visit),
        asyncio.to_thread(_own_groups, visit),
        asyncio.to_thread(api.publications_of, visit.services, visit.person),
    )
    return page(
        visit,
        "courses.html",
        courses=found,
        groups=groups,
        publications=publications,
        states=STATE_TEXT,
        values=values or _NOTHING,
        error=error,
    )


def _audience(
    visit: Visit, id: str, *, error: RadLabError | None = None, chosen: list[str] | None = None
) -> HTMLResponse:
    course = find(_courses(visit), id)
    groups = _own_groups(visit)
    own = {group.name for group in groups}
    return page(
        visit,
        "course_audience.html",
        course=course,
        groups=groups,
        others=sorted(set(course.audience or ()) - own),
        chosen=list(course.audience or ()) if chosen is None else chosen,
        error=error,
    )
