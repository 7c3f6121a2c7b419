"""A database that cannot be used is one refusal, whatever the reason."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from hub_config.db import (
    DatabaseMisplaced,
    DatabaseUnready,
    migrate,
    open_database,
    reading,
    writing,
)
from hub_config.settings import Settings


def test_a_database_whose_connections_are_all_in_use_is_not_ready(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/one.sqlite"
    engine = create_engine(url, pool_size=1, max_overflow=0, pool_timeout=0.1)
    with reading(engine) as session:
        session.execute(text("SELECT 1"))
        with pytest.raises(DatabaseUnready) as refusal, writing(engine):
            raise AssertionError("it was opened")
    assert refusal.value.status == 503


def test_a_database_that_cannot_be_made_is_not_ready(settings: Settings) -> None:
    engine = open_database(f"sqlite:///{settings.path('none', 'such', 'one.sqlite')}")
    with pytest.raises(DatabaseUnready, match="unable to open"), writing(engine):
        raise AssertionError("it was opened")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root could be led to files of others")
@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
@pytest.mark.parametrize("there", [True, False])
def test_root_is_not_led_to_another_file_by_a_link(
    tmp_path: Path, suffix: str, there: bool
) -> None:
    folder, target = tmp_path / "database", tmp_path / "of root"
    folder.mkdir()
    if there:
        target.write_text("root's")
    link = folder / f"radlab.sqlite{suffix}"
    link.symlink_to(target)
    engine = open_database(f"sqlite:///{folder / 'radlab.sqlite'}")
    with pytest.raises(DatabaseMisplaced) as refusal, writing(engine):
        raise AssertionError("it was opened")
    assert str(link) in str(refusal.value) and refusal.value.status == 503
    with pytest.raises(DatabaseMisplaced):
        migrate(engine)
    assert (target.read_text() if there else target.exists()) == ("root's" if there else False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root could be led to files of others")
def test_a_file_that_became_a_link_meanwhile_is_not_opened_either(tmp_path: Path) -> None:
    file = tmp_path / "radlab.sqlite"
    engine = open_database(f"sqlite:///{file}")
    migrate(engine)
    engine.dispose()
    file.rename(tmp_path / "elsewhere")
    file.symlink_to("elsewhere")
    with pytest.raises(DatabaseMisplaced), reading(engine) as session:
        session.execute(text("SELECT 1"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root could be led to files of others")
def test_root_follows_its_own_link_to_the_folder_and_nobody_elses(tmp_path: Path) -> None:
    (tmp_path / "big disk").mkdir()
    link = tmp_path / "database"
    link.symlink_to("big disk")
    engine = open_database(f"sqlite:///{link / 'radlab.sqlite'}")
    migrate(engine)
    engine.dispose()
    os.lchown(link, 65534, 65534)
    with pytest.raises(DatabaseMisplaced, match="database is a link"), reading(engine) as session:
        session.execute(text("SELECT 1"))


def test_a_database_in_memory_has_no_file_to_look_at() -> None:
    with reading(open_database("sqlite://")) as session:
        assert session.scalar(text("SELECT 1")) == 1
