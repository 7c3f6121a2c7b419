"""Courses as people see them: each published module with its versions, and for whom it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hub_config.errors import nearest
from hub_config.groups.rules import Person
from hub_config.offers.modules import Module, UnknownModule, published_versions
from hub_config.teaching.model import Progress, Score
from hub_config.teaching.rules import score, sees
from hub_config.teaching.scheme import scheme_of
from hub_config.teaching.store import OfferStore


@dataclass(frozen=True)
class Course:
    """A published module; `versions` newest first, `audience` None for everyone, () for nobody."""

    versions: tuple[Module, ...]
    audience: tuple[str, ...] | None

    @property
    def module(self) -> Module:
        """The version that a student gets now."""
        return self.versions[0]

    @property
    def id(self) -> str:
        """The module's id."""
        return self.module.id


def all_courses(modules: Path, offers: OfferStore) -> list[Course]:
    """Every module that is published in the folder `modules`, withdrawn ones too, in its order."""
    audiences = offers.audiences()
    found = [
        Course(tuple(reversed(versions)), audiences.get(versions[0].id))
        for versions in published_versions(modules).values()
        if versions
    ]
    return sorted(found, key=lambda course: (course.module.order, course.id))


def visible(person: Person, courses: Iterable[Course]) -> list[Course]:
    """Those that `person` sees: students what is for them, staff every one."""
    staff = person.is_administrator or person.is_instructor
    return [course for course in courses if staff or sees(person, course.audience)]


def find(courses: Iterable[Course], id: str) -> Course:
    """The course of that id; UnknownModule names the nearest."""
    by_id = {course.id: course for course in courses}
    if id in by_id:
        return by_id[id]
    raise UnknownModule(
        "There is no course module '{id}'.{hint}",
        given=id,
        allowed=list(by_id),
        do="Choose one of the page of courses.",
        id=id[:80],
        hint=nearest(id, by_id),
    )


def score_of(modules: Path, shown: Progress) -> Score:
    """What that progress is worth by the version of the module that it was made in."""
    return score(shown, scheme_of(modules, shown.module, shown.version))
