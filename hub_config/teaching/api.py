"""Routes of courses: what is published, for whom, how a publication goes, one's own progress.

Students see the modules that are for them, and what they show of their own progress. Instructors
publish, and offer to the groups that they teach; administrators to everyone. A publication is
carried out by the keeper: the call answers at once, and the publication says how far it is.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from hub_config.groups.rules import Person, require_staff
from hub_config.groups.store import GroupStore
from hub_config.settings import Settings
from hub_config.teaching import courses, rules
from hub_config.teaching.courses import Course
from hub_config.teaching.model import Progress, Publication, Score, State
from hub_config.teaching.store import OfferStore, ProgressStore, PublicationStore


class Services(Protocol):
    """What these routes need of the portal."""

    @property
    def settings(self) -> Settings:
        """Where the modules lie."""

    @property
    def groups(self) -> GroupStore:
        """The class groups."""

    @property
    def publications(self) -> PublicationStore:
        """What is to be published."""

    @property
    def offers(self) -> OfferStore:
        """Who sees what."""

    @property
    def progress(self) -> ProgressStore:
        """What students show."""


class CourseOut(BaseModel):
    """A published module."""

    id: str
    title: dict[str, str] = Field(description="In each of its languages.")
    version: str = Field(description="The newest, which a student gets.")
    versions: list[str] = Field(description="All that are published, newest first.")
    changes: dict[str, str] | None = Field(description="What is new in this version.")
    source: dict[str, str] | None = Field(description="Address and commit it was published from.")
    audience: list[str] | None = Field(description="Class groups that see it; null: everyone.")


class AudienceIn(BaseModel):
    """For whom a module is to be: everyone, or these class groups; none: it is withdrawn."""

    model_config = ConfigDict(extra="forbid")

    everyone: bool = False
    groups: list[str] = Field(default=[], max_length=1000)


class PublicationIn(AudienceIn):
    """A module to publish."""

    source: str = Field(
        description="https or ssh address of a Git repository, a folder in it behind #; for "
        "administrators also a folder of the machine or the id of a module that came with RadLab."
    )


class PublicationOut(BaseModel):
    """A publication and what it has said so far."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    source: str
    groups: list[str] | None = Field(description="null: everyone.")
    by: str
    asked_at: datetime
    state: State
    started_at: datetime | None
    ended_at: datetime | None
    module: str | None
    version: str | None
    log: str


class ProgressOut(BaseModel):
    """What somebody shows of their progress in one module, by the published module's points."""

    username: str
    module: str
    version: str
    points: float
    of: float
    passed: int = Field(description="Exercises whose check passed.")
    exercises: int
    right: int = Field(description="Questions of the quiz answered right.")
    questions: int
    received_at: datetime


def course_out(course: Course) -> CourseOut:
    """`course` as the API shows it."""
    module = course.module
    return CourseOut(
        id=module.id,
        title=module.title,
        version=module.version,
        versions=[version.version for version in course.versions],
        changes=module.changes,
        source=module.source,
        audience=None if course.audience is None else list(course.audience),
    )


def progress_out(shown: Progress, score: Score) -> ProgressOut:
    """`shown` as the API shows it."""
    return ProgressOut(
        username=shown.username,
        module=shown.module,
        version=shown.version,
        points=score.points,
        of=score.of,
        passed=score.passed,
        exercises=score.exercises,
        right=score.right,
        questions=score.questions,
        received_at=shown.received_at,
    )


def publish(
    services: Services, who: Person, source: str, groups: list[str], *, everyone: bool
) -> Publication:
    """Ask for a module to be published; BadSource, BadAudience, NotYourModule, TooManyWaiting."""
    require_staff(who)
    found = rules.source_of(source, administrator=who.is_administrator)
    known = services.groups.names()
    audience = rules.audience_of(who, groups, everyone=everyone, known=known)
    within = None if who.is_administrator else tuple(sorted(who.taught))
    return services.publications.ask(found, audience, who.name, within=within)


def offer(services: Services, who: Person, id: str, groups: list[str], *, everyone: bool) -> Course:
    """Let these see the module from now on; UnknownModule, NotYourModule, UnknownGroup."""
    require_staff(who)
    folder = services.settings.path("modules")
    course = courses.find(courses.all_courses(folder, services.offers), id)
    known = services.groups.names()
    audience = rules.changed_audience(who, course.audience, groups, everyone=everyone, known=known)
    services.offers.offer(course.id, audience, who.name)
    return Course(course.versions, audience)


def publications_of(services: Services, who: Person) -> list[Publication]:
    """The newest publications that `who` may see."""
    require_staff(who)
    return services.publications.recent(by=None if who.is_administrator else who.name)


def publication(services: Services, who: Person, id: str) -> Publication:
    """One of them; UnknownPublication."""
    require_staff(who)
    found = services.publications.get(id)
    if not rules.may_see_publication(who, found.by):
        raise rules.unknown_publication(id)
    return found


def mine(services: Services, who: Person) -> list[ProgressOut]:
    """What `who` shows of their own progress."""
    folder = services.settings.path("modules")
    return [
        progress_out(one, courses.score_of(folder, one)) for one in services.progress.of([who.name])
    ]


def router(services: Services, person: Callable[..., Person]) -> APIRouter:
    """The routes; `person` is the dependency that says who asks."""
    routes = APIRouter(prefix="/api/courses", tags=["courses"])
    asking = Depends(person)

    @routes.get("")
    def list_courses(who: Person = asking) -> list[CourseOut]:
        """The published modules that the person sees; staff see withdrawn ones too."""
        found = courses.all_courses(services.settings.path("modules"), services.offers)
        return [course_out(course) for course in courses.visible(who, found)]

    @routes.put("/{id}/audience")
    def set_audience(id: str, wanted: AudienceIn, who: Person = asking) -> CourseOut:
        """Offer a module to everyone or to these groups, or withdraw it (staff)."""
        return course_out(offer(services, who, id, wanted.groups, everyone=wanted.everyone))

    @routes.get("/progress/mine")
    def show_mine(who: Person = asking) -> list[ProgressOut]:
        """What the person who asks shows of their own progress."""
        return mine(services, who)

    @routes.get("/publications")
    def list_publications(who: Person = asking) -> list[PublicationOut]:
        """The newest publications: all for administrators, their own for instructors."""
        return [PublicationOut.model_validate(one) for one in publications_of(services, who)]

    @routes.post("/publications", status_code=202)
    def ask_publication(wanted: PublicationIn, who: Person = asking) -> PublicationOut:
        """Ask for a module to be checked and published (staff); it is done by and by."""
        asked = publish(services, who, wanted.source, wanted.groups, everyone=wanted.everyone)
        return PublicationOut.model_validate(asked)

    @routes.get("/publications/{id}")
    def show_publication(id: str, who: Person = asking) -> PublicationOut:
        """How far a publication is, and what it has said."""
        return PublicationOut.model_validate(publication(services, who, id))

    return routes
