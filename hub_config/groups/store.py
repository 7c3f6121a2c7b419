"""The class groups' own table: one row a group, one transaction a verb.

Members are not here: JupyterHub keeps them. Other slices' tables name a group by a foreign key
without ON DELETE, so that the database itself refuses to remove a group that something names. For
the same reason a group that was ever used stays: made anew under the old name, it would take in
everybody who is still in the JupyterHub group of that name.
"""

from __future__ import annotations

import logging
from datetime import datetime

from sqlalchemy import Engine, String, false, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from hub_config import clock
from hub_config.db import Base, UtcDateTime, reading, writing
from hub_config.groups import rules
from hub_config.groups.rules import Group

log = logging.getLogger(__name__)


class GroupTable(Base):
    """A class group and its policy."""

    __tablename__ = "groups"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    title: Mapped[str] = mapped_column(String(200))
    internet: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(String(255))
    lends: Mapped[bool] = mapped_column(default=False, server_default=false())
    borrows: Mapped[bool] = mapped_column(default=False, server_default=false())


def _group(row: GroupTable) -> Group:
    return Group(
        row.name, row.title, row.internet, row.created_at, row.created_by, row.lends, row.borrows
    )


def _find_row(session: Session, name: str) -> GroupTable:
    row = session.get(GroupTable, name)
    if row is None:
        raise rules.unknown_group(name, session.scalars(select(GroupTable.name)))
    return row


def find(session: Session, name: str) -> Group:
    """The group called `name`, inside a transaction of the caller's; UnknownGroup."""
    return _group(_find_row(session, name))


def every_group(session: Session) -> dict[str, Group]:
    """Every group under its name, inside a transaction of the caller's."""
    rows = session.scalars(select(GroupTable).order_by(GroupTable.name))
    return {row.name: _group(row) for row in rows}


class GroupStore:
    """All class groups of this RadLab."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def create(self, name: str, *, title: str = "", internet: bool = False, by: str) -> Group:
        """A new group, made by the person `by`; BadGroupName, GroupExists."""
        rules.check_name(name)
        with writing(self.engine) as session:
            if session.get(GroupTable, name) is not None:
                raise rules.group_exists(name)
            row = GroupTable(
                name=name,
                title=title.strip()[:200],
                internet=internet,
                created_at=clock.now(),
                created_by=by,
            )
            session.add(row)
        log.info("group %s created by %s, internet=%s", name, by, internet)
        return _group(row)

    def all(self) -> list[Group]:
        """Every group, by name."""
        with reading(self.engine) as session:
            return list(every_group(session).values())

    def names(self) -> list[str]:
        """The name of every group, in order."""
        return [group.name for group in self.all()]

    def get(self, name: str) -> Group:
        """The group called `name`; UnknownGroup, which names the nearest."""
        with reading(self.engine) as session:
            return find(session, name)

    def set_internet(self, name: str, allowed: bool, by: str) -> Group:
        """Let the group's containers reach the internet or not, from their next start on."""
        with writing(self.engine) as session:
            row = _find_row(session, name)
            row.internet = allowed
        log.info("group %s internet=%s by %s", name, allowed, by)
        return _group(row)

    def set_lending(self, name: str, lends: bool | None, borrows: bool | None, by: str) -> Group:
        """Let other groups use the group's idle GPUs (`lends`), and let it use theirs (`borrows`).

        None leaves as it is. A loan that runs goes on, until its owner needs it.
        """
        with writing(self.engine) as session:
            row = _find_row(session, name)
            row.lends = row.lends if lends is None else lends
            row.borrows = row.borrows if borrows is None else borrows
        log.info("group %s lends=%s borrows=%s by %s", name, row.lends, row.borrows, by)
        return _group(row)

    def remove(self, name: str, by: str) -> None:
        """Remove a group that nothing names; GroupInUse where something does."""
        try:
            with writing(self.engine) as session:
                session.delete(_find_row(session, name))
                session.flush()
        except IntegrityError as error:
            raise rules.group_in_use(name) from error
        log.info("group %s removed by %s", name, by)
