"""What all tests share: a database of each kind, and settings on an empty state folder."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect, text

from hub_config.db import migrate, open_database
from hub_config.settings import Settings

ROOT = Path(__file__).parents[1]


class Postgres:
    """A PostgreSQL server of the tests' own, on a Unix socket in its own folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        self.programs = found[-1].parent if found else None

    def start(self) -> None:
        # initdb refuses root; the package's own user is there wherever the package is.
        owner = pwd.getpwnam("postgres") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
        self.folder.mkdir(parents=True)
        os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        self._run("initdb", "-D", "data", "-A", "trust", "-U", "radlab", "--no-sync")
        options = f"-k {self.folder} -c listen_addresses='' -c fsync=off"
        self._run("pg_ctl", "-D", "data", "-l", "log", "-w", "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", "data", "-m", "immediate", "stop")

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://radlab@/{database}?host={self.folder}"

    def _run(self, program: str, *arguments: str) -> None:
        user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        command = [*user, str(self.programs / program), *arguments]
        subprocess.run(command, cwd=self.folder, check=True, stdout=subprocess.DEVNULL, timeout=120)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    folder = Path(f"/tmp/radlab-postgres-{uuid.uuid4().hex[:8]}")
    server = Postgres(folder)
    if server.programs is None:
        pytest.skip("PostgreSQL is not installed; `./radlab test` installs it where it can")
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_url(postgres: Postgres) -> str:
    """A database on PostgreSQL with RadLab's tables: one for all tests, emptied after each."""
    maintenance = open_database(postgres.url("postgres"))
    with maintenance.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CREATE DATABASE radlab"))
    maintenance.dispose()
    url = postgres.url("radlab")
    _migrate(url)
    return url


@pytest.fixture(scope="session")
def sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with RadLab's tables, to be copied."""
    path = tmp_path_factory.mktemp("sqlite") / "radlab.sqlite"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """RadLab's database, migrated and empty, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        path = shutil.copy(request.getfixturevalue("sqlite_file"), tmp_path / "radlab.sqlite")
        url = f"sqlite:///{path}"
    else:
        url = request.getfixturevalue("postgres_url")
    opened = open_database(url)
    yield opened
    opened.dispose()
    if request.param == "postgresql":
        _empty(url)


def _migrate(url: str) -> None:
    opened = open_database(url)
    migrate(opened)
    opened.dispose()


def _empty(url: str) -> None:
    opened = open_database(url)
    with opened.begin() as connection:
        names = set(inspect(connection).get_table_names()) - {"alembic_version"}
        tables = ", ".join(f'"{name}"' for name in sorted(names))
        connection.execute(text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
    opened.dispose()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings whose state is an empty folder, with the folders made."""
    made = Settings(state=str(tmp_path / "state"))
    made.make_folders()
    return made


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real images beside the project, which a user's clone has not."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the real images of ../shared/data, which are not here")
    return folder
