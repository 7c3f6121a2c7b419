"""A class's progress: who of it shows what, joined with the Hub's members; `/api/courses/progress`.

Nobody is seen who did not consent: of the others it is known that they are in the group, and no
more. What is shown is what a student's own container says: it helps to teach, and is no mark.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass

from fastapi import APIRouter, Query

from hub_config.groups.rules import Person, person_of, require_staff, unknown_group
from hub_config.portal.gate import Here
from hub_config.portal.hub import HubUser
from hub_config.portal.services import Services
from hub_config.teaching.api import ProgressOut, progress_out
from hub_config.teaching.courses import score_of

router = APIRouter(prefix="/api/courses", tags=["courses"])
_GROUP = Query(default=None, description="Only students of this class group.")


@dataclass(frozen=True)
class ClassProgress:
    """The students of some groups by name, and what each shows, by module."""

    students: dict[str, dict[str, ProgressOut]]

    @property
    def modules(self) -> list[str]:
        """The modules that somebody shows something of."""
        return sorted({module for shown in self.students.values() for module in shown})

    @property
    def showing(self) -> int:
        """How many of them show something."""
        return sum(bool(shown) for shown in self.students.values())


@router.get("/progress")
async def list_progress(visit: Here, group: str | None = _GROUP) -> list[ProgressOut]:
    """What students show of their progress: to instructors those of the groups that they teach."""
    found = await class_progress(visit.services, visit.person, group)
    return [one for shown in found.students.values() for one in shown.values()]


async def class_progress(services: Services, person: Person, group: str | None) -> ClassProgress:
    """The students whom `person` teaches, or administers, with what they show; UnknownGroup."""
    require_staff(person)
    users, names = await asyncio.gather(
        services.hub.users(), asyncio.to_thread(services.groups.names)
    )
    own = [name for name in names if person.is_administrator or name in person.taught]
    if group is not None and group not in own:
        raise unknown_group(group, own)
    students = sorted(_students(users, {group} if group else set(own)))
    shown = await asyncio.to_thread(_shown, services, students)
    by_student: dict[str, dict[str, ProgressOut]] = {name: {} for name in students}
    for one in shown:
        by_student[one.username][one.module] = one
    return ClassProgress(by_student)


def _students(users: Collection[HubUser], groups: Collection[str]) -> set[str]:
    """Who learns in one of these groups; who teaches one, or administers, is no student."""
    found = set()
    for user in users:
        someone = person_of(user.name, user.groups)
        learns = set(groups) & user.groups - someone.taught
        if learns and not someone.is_administrator:
            found.add(user.name)
    return found


def _shown(services: Services, students: Collection[str]) -> list[ProgressOut]:
    folder = services.settings.path("modules")
    return [progress_out(one, score_of(folder, one)) for one in services.progress.of(students)]
