"""No order of events of a few students, and no crash in it, breaks a promise of the queue.

In the suite: three students and two cards where every start succeeds or is left, and two students
and one card with three starts that fail. RADLAB_SMALL_SCOPE=full searches three students, two cards
and three failures (some 7,500 states, two minutes).
"""

from __future__ import annotations

import logging
import os

import pytest

from hub_config.settings import Settings
from tests.hub_config.queueing.small_scope import Small, search

SCOPES = [(3, 2, 0, 400), (2, 1, 3, 200)]
if os.environ.get("RADLAB_SMALL_SCOPE") == "full":
    SCOPES.append((3, 2, 3, 7000))


@pytest.mark.parametrize(("students", "cards", "failures", "least"), SCOPES)
def test_every_order_of_events_with_a_crash_at_each_keeps_every_promise(
    settings: Settings, students: int, cards: int, failures: int, least: int
) -> None:
    logging.disable(logging.WARNING)
    try:
        found = search(Small(settings, students=students, cards=cards, failures=failures))
    finally:
        logging.disable(logging.NOTSET)
    assert found > least
