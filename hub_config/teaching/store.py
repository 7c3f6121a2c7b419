"""Publications, who sees a module, and progress: one transaction a verb."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping

from pydantic import BaseModel
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from hub_config import clock
from hub_config.db import reading, writing
from hub_config.groups.rules import person_of
from hub_config.offers.modules import Modules
from hub_config.teaching.model import Answered, Progress, Publication, Report, State, Tried
from hub_config.teaching.rules import require_room, sees, unknown_publication
from hub_config.teaching.tables import OfferTable, ProgressTable, PublicationTable

log = logging.getLogger(__name__)

# Of a longer log its end is kept: that says what failed.
MOST_LOG = 64 * 1024
# A query may name only so many values: SQLite allows 32,766 parameters.
_AT_ONCE = 5000
_UNDONE = (State.WAITING.value, State.RUNNING.value)


class PublicationStore:
    """What is to be published, and what became of it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def ask(
        self,
        source: str,
        groups: tuple[str, ...] | None,
        by: str,
        *,
        within: tuple[str, ...] | None = None,
    ) -> Publication:
        """Ask for the module at `source` to be published for `groups`; TooManyWaiting."""
        row = PublicationTable(
            id=secrets.token_hex(8),
            source=source,
            audience=_listed(groups),
            within=_listed(within),
            by=by,
            asked_at=clock.now(),
            state=State.WAITING.value,
            log="",
        )
        with writing(self.engine) as session:
            mine = select(PublicationTable).where(
                PublicationTable.by == by, PublicationTable.state.in_(_UNDONE)
            )
            require_room(len(session.scalars(mine).all()))
            session.add(row)
            session.flush()
            return _publication(row)

    def take(self) -> Publication | None:
        """The one that has waited longest, which runs from now on; None where none waits."""
        with writing(self.engine) as session:
            waiting = select(PublicationTable).where(PublicationTable.state == State.WAITING.value)
            order = waiting.order_by(PublicationTable.asked_at, PublicationTable.id)
            row = session.scalars(order.limit(1)).first()
            if row is None:
                return None
            row.state, row.started_at, row.log = State.RUNNING.value, clock.now(), ""
            return _publication(row)

    def resume(self) -> None:
        """Let what was running when the keeper ended wait again; publishing twice does no harm."""
        with writing(self.engine) as session:
            running = select(PublicationTable).where(PublicationTable.state == State.RUNNING.value)
            for row in session.scalars(running):
                row.state, row.started_at = State.WAITING.value, None

    def tell(self, id: str, log: str) -> None:
        """Keep what the publication has said so far."""
        with writing(self.engine) as session:
            _row(session, id).log = log[-MOST_LOG:]

    def end(
        self, id: str, log: str, *, module: str | None = None, version: str | None = None
    ) -> None:
        """It is over: published as that version, or failed where there is none."""
        with writing(self.engine) as session:
            row = _row(session, id)
            row.state = (State.DONE if version else State.FAILED).value
            row.ended_at, row.log = clock.now(), log[-MOST_LOG:]
            row.module, row.version = module, version

    def get(self, id: str) -> Publication:
        """The publication of that id; UnknownPublication."""
        with reading(self.engine) as session:
            return _publication(_row(session, id))

    def recent(self, limit: int = 20, *, by: str | None = None) -> list[Publication]:
        """The newest first: all, or those that `by` asked for."""
        query = select(PublicationTable).order_by(PublicationTable.asked_at.desc())
        if by is not None:
            query = query.where(PublicationTable.by == by)
        with reading(self.engine) as session:
            return [_publication(row) for row in session.scalars(query.limit(limit))]


class OfferStore:
    """Who sees which module. One that is built and stands nowhere here is seen by everyone."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def audiences(self) -> dict[str, tuple[str, ...] | None]:
        """The class groups that each module is for; None: everyone; (): nobody, it is withdrawn."""
        with reading(self.engine) as session:
            return {row.module: _tuple(row.audience) for row in session.scalars(select(OfferTable))}

    def offer(self, module: str, groups: Collection[str] | None, by: str) -> None:
        """Let exactly these class groups see `module` from now on; None: everyone.

        Nothing that runs is ended by it.
        """
        audience = None if groups is None else tuple(sorted(set(groups)))
        with writing(self.engine) as session:
            row = session.get(OfferTable, module) or OfferTable(module=module)
            row.audience, row.by, row.at = _listed(audience), by, clock.now()
            session.add(row)
        log.info("module %s is for %s by %s", module, audience, by)

    def withdraw(self, module: str, by: str) -> None:
        """Let nobody see it any more; students keep their copies."""
        self.offer(module, (), by)

    def seen_by(self, modules: Modules, groups: Collection[str]) -> Modules:
        """Those of `modules` that are for somebody in these groups of the Hub."""
        audiences, person = self.audiences(), person_of("", groups)
        return Modules([one for one in modules if sees(person, audiences.get(one.id))])


class ProgressStore:
    """What students show of their progress."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def keep(
        self, username: str, reports: Iterable[Report], published: Callable[[str, str], bool]
    ) -> None:
        """Keep what `username` shows; forget at once what they show no more.

        Of a module and version that were never `published` nothing is kept, so that nobody can
        fill the table. What is known already costs no write.
        """
        shown = {one.module: one for one in self.of([username])}
        news = [report for report in reports if _is_news(report, shown.get(report.module))]
        news = [r for r in news if not r.consent or published(r.module, r.version)]
        if not news:
            return
        with writing(self.engine) as session:
            for report in news:
                row = session.get(ProgressTable, (username, report.module))
                if report.consent:
                    row = row or ProgressTable(username=username, module=report.module)
                    row.version, row.received_at = report.version, clock.now()
                    row.exercises, row.quiz = _dumped(report.exercises), _dumped(report.quiz)
                    session.add(row)
                elif row is not None:
                    session.delete(row)

    def of(self, usernames: Collection[str]) -> list[Progress]:
        """What these people show, by name and module."""
        names, found = sorted(usernames), list[Progress]()
        with reading(self.engine) as session:
            for start in range(0, len(names), _AT_ONCE):
                part = names[start : start + _AT_ONCE]
                rows = select(ProgressTable).where(ProgressTable.username.in_(part))
                order = rows.order_by(ProgressTable.username, ProgressTable.module)
                found += [_progress(row) for row in session.scalars(order)]
        return found


def _is_news(report: Report, shown: Progress | None) -> bool:
    if not report.consent or shown is None:
        return report.consent or shown is not None
    known = (shown.version, shown.exercises, shown.quiz)
    return known != (report.version, report.exercises, report.quiz)


def _dumped(items: Mapping[str, BaseModel]) -> str:
    return json.dumps({name: item.model_dump() for name, item in sorted(items.items())})


def _row(session: Session, id: str) -> PublicationTable:
    row = session.get(PublicationTable, id)
    if row is None:
        raise unknown_publication(id)
    return row


def _publication(row: PublicationTable) -> Publication:
    return Publication(
        id=row.id,
        source=row.source,
        groups=_tuple(row.audience),
        within=_tuple(row.within),
        by=row.by,
        asked_at=row.asked_at,
        state=State(row.state),
        started_at=row.started_at,
        ended_at=row.ended_at,
        log=row.log,
        module=row.module,
        version=row.version,
    )


def _progress(row: ProgressTable) -> Progress:
    exercises, quiz = json.loads(row.exercises), json.loads(row.quiz)
    return Progress(
        username=row.username,
        module=row.module,
        version=row.version,
        exercises={name: Tried.model_validate(one) for name, one in exercises.items()},
        quiz={name: Answered.model_validate(one) for name, one in quiz.items()},
        received_at=row.received_at,
    )


def _listed(names: tuple[str, ...] | None) -> str | None:
    return None if names is None else json.dumps(names)


def _tuple(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(json.loads(text))
