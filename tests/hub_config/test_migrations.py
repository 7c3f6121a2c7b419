from __future__ import annotations

import importlib
import pkgutil
from datetime import UTC, datetime

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Engine, bindparam, inspect, text

import hub_config
from hub_config import db
from hub_config.gpus.ledger import Ledger


def _import_all_tables() -> None:
    """Import every module that could define a table: the stores, ledgers and tables of slices."""
    for module in pkgutil.walk_packages(hub_config.__path__, "hub_config."):
        if module.name.rsplit(".", 1)[-1] in ("store", "tables", "ledger"):
            importlib.import_module(module.name)


def _migrate_to(engine: Engine, revision: str) -> None:
    """Take migrations back until the tables have the shape of `revision`."""
    config = Config()
    config.set_main_option("script_location", str(db._MIGRATIONS))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
        connection.commit()


def test_the_migrations_make_exactly_the_tables_of_the_models(engine: Engine) -> None:
    _import_all_tables()
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, db.Base.metadata) == []


def test_the_partial_indices_that_bar_double_leases_are_partial(engine: Engine) -> None:
    for table, name, columns in (
        ("lease_devices", "uq_lease_devices_held", ["device_uuid", "share"]),
        ("leases", "uq_leases_server_held", ["username", "server_name"]),
    ):
        [index] = [i for i in inspect(engine).get_indexes(table) if i["name"] == name]
        where = index["dialect_options"][f"{engine.dialect.name}_where"]
        assert index["unique"]
        assert index["column_names"] == columns
        assert "released_at IS NULL" in str(where)


def test_a_long_past_of_places_is_looked_up_by_owner_and_by_end(engine: Engine) -> None:
    found = {
        index["name"]: index["column_names"] for index in inspect(engine).get_indexes("places")
    }
    assert found["ix_places_username"] == ["username"]
    assert found["ix_places_ended_at"] == ["ended_at"]


def test_migrating_again_changes_nothing(engine: Engine) -> None:
    before = inspect(engine).get_table_names()
    db.migrate(engine)
    assert inspect(engine).get_table_names() == before


def test_what_runs_through_the_upgrade_to_the_queue_counts_as_ready(engine: Engine) -> None:
    noon = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
    _migrate_to(engine, "0002")
    lease = {"id": "a" * 32, "username": "sam", "started_at": noon}
    waiting = {"id": "b" * 32, "username": "eve", "started_at": None}
    with engine.begin() as connection:
        for row in (lease, waiting):
            connection.execute(
                text(
                    "INSERT INTO leases (id, server, username, server_name, task, image, cpus, "
                    "memory_mb, gpu_count, minutes, granted_at, ends_at, started_at) VALUES "
                    "(:id, 'local', :username, '', 'lab', 'i', 1, 1, 0, 60, :noon, :noon, "
                    ":started_at)"
                ).bindparams(
                    bindparam("noon", type_=db.UtcDateTime()),
                    bindparam("started_at", type_=db.UtcDateTime()),
                ),
                {**row, "noon": noon},
            )
    db.migrate(engine)
    ready = {lease.username: lease.ready_at for lease in Ledger(engine).active()}
    assert ready == {"sam": noon, "eve": None}


def test_every_migration_can_be_taken_back(engine: Engine) -> None:
    _migrate_to(engine, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    db.migrate(engine)
    assert "leases" in inspect(engine).get_table_names()
