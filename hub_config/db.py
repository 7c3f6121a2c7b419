"""RadLab's database: one transaction a verb, the same promises on SQLite and PostgreSQL.

SQLite runs in WAL mode with foreign keys on, and every writing transaction begins with BEGIN
IMMEDIATE, so that what it read is still true when it writes. PostgreSQL gets the same from one
advisory lock taken at the start of each writing transaction. Nothing here may be called on an
event loop: use `asyncio.to_thread`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import DateTime, Dialect, Engine, MetaData, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from hub_config.errors import Unready

# Any constant serves, as long as nothing else in the database takes the same lock.
_WRITERS_LOCK = 0x5261644C6162
_SQLITE_FILES = ("", "-wal", "-shm", "-journal")
_MIGRATIONS = Path(__file__).with_name("migrations")


class DatabaseUnready(Unready):
    """The database cannot be reached or written."""

    code = "database_unready"


class DatabaseMisplaced(Unready):
    """The database leads elsewhere by a link that root does not follow."""

    code = "database_misplaced"


class Base(DeclarativeBase):
    """All tables of RadLab; names of constraints are fixed so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime, on a database that keeps zones and on one that does not."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """What is written: UTC, without a zone where the database keeps none."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone was given to the database")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """What is read: aware, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def open_database(url: str) -> Engine:
    """An engine for `url` (`sqlite:////path` or `postgresql+psycopg://...`), set up as above."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
        return create_engine(parsed, pool_pre_ping=True)
    if parsed.database:
        with suppress(OSError):  # then opening it says why
            Path(parsed.database).parent.mkdir(exist_ok=True)
    engine = create_engine(parsed, connect_args={"timeout": 30})
    if parsed.database and os.geteuid() == 0:
        event.listen(engine, "do_connect", partial(_require_no_links, Path(parsed.database)))
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _require_no_links(path: Path, *_connection: Any) -> None:
    """Root opens no SQLite through a link of another user's; DatabaseMisplaced.

    The file lies in a folder of the system user's, who could lead root to any file of the machine,
    or have one made. Links above the file may be there where they are root's own. Asked before
    each connection, since files may have become links meanwhile.
    """
    absolute = path.absolute()
    led = [folder for folder in absolute.parents if _link_of_others(folder)]
    led += [file for file in map(partial(_beside, absolute), _SQLITE_FILES) if _no_file(file)]
    if led:
        raise DatabaseMisplaced(
            "RadLab's database is not opened as root: {link} is a link, or no plain file.",
            given=str(led[0]),
            do="Look at where it leads and who made it, then put the file itself there.",
            link=led[0],
        )


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _link_of_others(folder: Path) -> bool:
    found = _what_is_at(folder)
    return found is not None and stat.S_ISLNK(found.st_mode) and found.st_uid != 0


def _no_file(path: Path) -> bool:
    found = _what_is_at(path)
    return found is not None and not stat.S_ISREG(found.st_mode)


def _what_is_at(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except OSError:  # then opening it says why
        return None


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves; sqlite3 would say it too late
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Any) -> None:
    writing_ = connection.get_execution_options().get("radlab_writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing_ else "BEGIN")


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """A session whose transaction no other writer can interleave; commits at the end."""
    with _said_clearly(engine), Session(engine, expire_on_commit=False) as session:
        connection = session.connection(execution_options={"radlab_writing": True})
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:k)"), {"k": _WRITERS_LOCK})
        with _commit_or_roll_back(session):
            yield session


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """A session for reading one consistent state."""
    with _said_clearly(engine), Session(engine, expire_on_commit=False) as session:
        yield session


@contextmanager
def _commit_or_roll_back(session: Session) -> Iterator[None]:
    try:
        yield
        session.commit()
    except BaseException:
        session.rollback()
        raise


@contextmanager
def _said_clearly(engine: Engine) -> Iterator[None]:
    try:
        yield
    except (OperationalError, NoConnection) as error:
        # Behind a database that is locked for long all connections are in use: the same to callers.
        reason = error.orig if isinstance(error, OperationalError) else error
        raise DatabaseUnready(
            "RadLab's database ({place}) cannot be used: {reason}.",
            do="Check that the disk is not full and the database is running, then try again.",
            place=engine.url.render_as_string(hide_password=True),
            reason=str(reason).strip().rstrip("."),
        ) from error


def migrate(engine: Engine) -> None:
    """Bring the tables to this version's shape; does nothing where they have it already."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with _said_clearly(engine), engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
