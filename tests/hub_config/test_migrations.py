from __future__ import annotations

import importlib
import pkgutil

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect

import hub_config
from hub_config import db


def _import_all_tables() -> None:
    """Import every module that could define a table: the stores, ledgers and tables of slices."""
    for module in pkgutil.walk_packages(hub_config.__path__, "hub_config."):
        if module.name.rsplit(".", 1)[-1] in ("store", "tables", "ledger"):
            importlib.import_module(module.name)


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


def test_migrating_again_changes_nothing(engine: Engine) -> None:
    before = inspect(engine).get_table_names()
    db.migrate(engine)
    assert inspect(engine).get_table_names() == before


def test_every_migration_can_be_taken_back(engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(db._MIGRATIONS))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        connection.commit()
    assert inspect(engine).get_table_names() == ["alembic_version"]
    db.migrate(engine)
    assert "leases" in inspect(engine).get_table_names()
