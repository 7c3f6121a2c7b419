"""Passwords are hashed with argon2id at OWASP's minimum, off the event loop."""

from __future__ import annotations

import asyncio
import unicodedata

import argon2
import pytest

from hub_config.invites.passwords import Passwords


@pytest.fixture(scope="module")
def passwords() -> Passwords:
    return Passwords()


async def test_parameters_are_owasps_minimum_or_above(passwords: Passwords) -> None:
    kept = argon2.extract_parameters(await passwords.hash("correct horse battery"))
    assert kept.type is argon2.Type.ID
    assert (kept.memory_cost, kept.time_cost, kept.parallelism) == (19 * 1024, 2, 1)
    assert kept.salt_len >= 16


async def test_the_right_password_is_known_and_others_are_not(passwords: Passwords) -> None:
    kept = await passwords.hash("correct horse battery")
    assert await passwords.verify(kept, "correct horse battery")
    assert not await passwords.verify(kept, "correct horse Battery")
    assert not await passwords.verify(kept, "")
    assert not await passwords.verify("no hash at all", "correct horse battery")
    assert kept != await passwords.hash("correct horse battery")  # salted


async def test_nothing_is_cut_off(passwords: Passwords) -> None:
    kept = await passwords.hash("x" * 255 + "a")
    assert await passwords.verify(kept, "x" * 255 + "a")
    assert not await passwords.verify(kept, "x" * 255 + "b")
    assert not await passwords.verify(kept, "x" * 255 + "ab")


async def test_another_keyboard_types_the_same_password(passwords: Passwords) -> None:
    kept = await passwords.hash(unicodedata.normalize("NFD", "schöne Lungenbläschen"))
    assert await passwords.verify(kept, unicodedata.normalize("NFC", "schöne Lungenbläschen"))


async def test_a_hash_with_older_parameters_is_outdated(passwords: Passwords) -> None:
    older = Passwords(memory=8 * 1024, passes=1)
    kept = await older.hash("correct horse battery")
    assert await passwords.verify(kept, "correct horse battery")
    assert passwords.is_outdated(kept)
    assert not passwords.is_outdated(await passwords.hash("correct horse battery"))


class Watched(Passwords):
    """Passwords that note with which parameters each verification was made."""

    def __init__(self) -> None:
        super().__init__()
        self.costs: list[argon2.Parameters] = []

    def _matches(self, kept: str, password: str) -> bool:
        self.costs.append(argon2.extract_parameters(kept))
        return super()._matches(kept, password)


async def test_an_unknown_user_costs_the_same_verification() -> None:
    passwords = Watched()
    kept = await passwords.hash("correct horse battery")
    assert not await passwords.verify(kept, "wrong horse battery")
    assert not await passwords.verify(None, "wrong horse battery")
    known, unknown = passwords.costs
    assert known == unknown


async def test_hashing_does_not_hold_up_the_event_loop(passwords: Passwords) -> None:
    hashing = asyncio.gather(*(passwords.hash("correct horse battery") for _ in range(10)))
    turns = 0
    while not hashing.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert turns >= 10


async def test_threads_and_so_memory_are_bounded(passwords: Passwords) -> None:
    await asyncio.gather(*(passwords.hash("correct horse battery") for _ in range(20)))
    assert len(passwords._pool._threads) <= 4
