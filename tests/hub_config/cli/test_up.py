"""What `./radlab up` says at its end."""

from __future__ import annotations

import pytest

from hub_config.cli.up import _welcome
from hub_config.db import migrate, open_database
from hub_config.settings import Settings

EARLIER = "no longer work"


def test_only_a_second_up_says_that_earlier_links_are_over(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    migrate(open_database(settings.radlab_database_url))
    _welcome(settings)
    first = capsys.readouterr().out
    assert "/hub/signup#code=" in first
    assert EARLIER not in first
    _welcome(settings)
    assert EARLIER in capsys.readouterr().out
