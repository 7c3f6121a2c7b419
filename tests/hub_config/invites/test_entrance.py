"""A class behind one address comes in at once, and a guesser keeps nobody out."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Protocol

import pytest

from hub_config.invites.attempts import TooManyAttempts
from hub_config.invites.authenticator import RadlabAuthenticator
from hub_config.invites.credentials import WrongLogin
from hub_config.invites.entrance import Entrance
from hub_config.invites.passwords import Passwords
from hub_config.invites.store import InviteStore
from hub_config.settings import Settings


class Clock(Protocol):
    """The clock of `conftest.py`."""

    def __add__(self, span: timedelta) -> datetime: ...


CLASSROOM = "192.0.2.1"
PASSWORD = "correct horse battery"
OTHER = "another horse battery"
STUDENTS = [f"student{number}" for number in range(60)]


@pytest.fixture
def entrance(store: InviteStore, settings: Settings) -> Entrance:
    """An entrance with the limits that a site has by default, and cheap hashes."""
    limits = RadlabAuthenticator(state=settings.state)
    return Entrance(
        store,
        Passwords(memory=64, passes=1),
        logins=limits.make_attempts(),
        redemptions=limits.make_attempts(),
    )


async def enrol(entrance: Entrance, clock: Clock, names: list[str]) -> list[str]:
    ends = clock + timedelta(days=1)
    made = entrance.store.create(
        role="student", group="ct", uses=len(names), by="ada", expires_at=ends
    )
    code = made.code
    joined = [entrance.sign_up(code, name, PASSWORD, CLASSROOM) for name in names]
    return [account.name for account in await asyncio.gather(*joined)]


async def test_sixty_students_behind_one_address_sign_up_and_in_at_once(
    entrance: Entrance, clock: Clock
) -> None:
    assert await enrol(entrance, clock, STUDENTS) == STUDENTS
    for typo in (True, False):
        tries = [
            entrance.sign_in(name, OTHER if typo else PASSWORD, CLASSROOM) for name in STUDENTS
        ]
        answers = await asyncio.gather(*tries, return_exceptions=True)
        if typo:
            assert [type(answer) for answer in answers] == [WrongLogin] * 60
        else:
            assert [answer.name for answer in answers] == STUDENTS


async def test_ten_wrong_passwords_from_elsewhere_do_not_keep_the_owner_out(
    entrance: Entrance, clock: Clock
) -> None:
    await enrol(entrance, clock, ["ana"])
    for _ in range(10):
        with pytest.raises(WrongLogin):
            await entrance.sign_in("ana", OTHER, "198.51.100.7")
    with pytest.raises(TooManyAttempts):
        await entrance.sign_in("ana", PASSWORD, "198.51.100.7")
    assert (await entrance.sign_in("ana", PASSWORD, CLASSROOM)).name == "ana"
