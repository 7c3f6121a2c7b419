"""`./radlab audit` on a database of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hub_config.cli.__main__ import main
from hub_config.db import migrate, open_database
from hub_config.settings import Settings
from hub_config.usage.store import AuditStore


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AuditStore:
    monkeypatch.setenv("RADLAB_STATE", str(tmp_path))
    settings = Settings(state=str(tmp_path))
    settings.make_folders()
    engine = open_database(settings.radlab_database_url)
    migrate(engine)
    return AuditStore(engine)


def test_an_empty_audit_says_so(audit: AuditStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit"]) == 0
    assert "Nobody did anything" in capsys.readouterr().out


def test_the_newest_entry_comes_first_and_the_limit_holds(
    audit: AuditStore, capsys: pytest.CaptureFixture[str]
) -> None:
    audit.note("ines", "extend", "exam week", username="ada")
    audit.note("grace", "move_up", "starts over after a crash", username="bo")
    assert main(["audit", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(e["by"], e["username"]) for e in told] == [("grace", "bo"), ("ines", "ada")]
    assert main(["audit", "--limit", "1"]) == 0
    shown = capsys.readouterr().out
    assert "starts over after a crash" in shown and "exam week" not in shown


def test_a_limit_of_nothing_is_refused(audit: AuditStore) -> None:
    assert main(["audit", "--limit", "0"]) == 2
