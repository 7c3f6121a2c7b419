"""The three ways in: with a password, with an invite code, with a reset code.

Each returns the account that has proven itself, or raises the refusal that a page or a client
shows. Limits come first, so that a flood costs no hashing; hashing and the database run in
threads, so that nobody else waits. Codes and passwords reach no log, nor do names that no account
has: people do type a password, or a code, into the field above it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from hub_config import clock
from hub_config.invites import codes, credentials
from hub_config.invites.attempts import Attempts
from hub_config.invites.passwords import Passwords
from hub_config.invites.rules import Account
from hub_config.invites.store import InviteStore

log = logging.getLogger(__name__)


class Entrance:
    """Lets people in, at most as often as `logins` and `redemptions` allow."""

    def __init__(
        self,
        store: InviteStore,
        passwords: Passwords,
        *,
        logins: Attempts,
        redemptions: Attempts,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        self.store = store
        self.passwords = passwords
        self.logins = logins
        self.redemptions = redemptions
        self._now = now

    async def sign_in(self, name: str, password: str, address: str) -> Account:
        """The account `name`, if that is its password; WrongLogin, TooManyAttempts."""
        name = credentials.fold_name(name)[: credentials.NAME_LENGTHS.stop]
        attempt = self.logins.admit(self._now(), address, name)
        kept = await asyncio.to_thread(self.store.password_of, name)
        if not await self.passwords.verify(kept, password) or kept is None:
            log.warning("login refused: %s from %s", name if kept else "unknown name", address)
            raise credentials.wrong_login()
        self.logins.forgive(attempt)
        if self.passwords.is_outdated(kept):
            anew = await self.passwords.hash(password)
            await asyncio.to_thread(self.store.replace_password, name, kept, anew)
        return await asyncio.to_thread(self.store.account, name)

    async def sign_up(self, code: str, name: str, password: str, address: str) -> Account:
        """The new account `name` that `code` makes; see `InviteStore.redeem` for refusals.

        CodeMistyped, BadUserName and WeakPassword are told first: they need no secret and no
        database. Everything after costs one hash and one transaction, whatever its answer.
        """
        code = codes.read(code)
        name = credentials.read_user_name(name)
        credentials.check_password(password, name)
        attempt = self.redemptions.admit(self._now(), address)
        kept = await self.passwords.hash(password)
        account = await asyncio.to_thread(self.store.redeem, code, name, kept)
        self.redemptions.forgive(attempt)
        return account

    async def reset(self, code: str, password: str, address: str) -> Account:
        """The account of the reset `code`, `password` being its password from now on."""
        code = codes.read(code)
        attempt = self.redemptions.admit(self._now(), address)
        account = await asyncio.to_thread(self.store.account_of_reset, code)
        credentials.check_password(password, account.name)
        kept = await self.passwords.hash(password)
        account = await asyncio.to_thread(self.store.reset, code, kept)
        self.redemptions.forgive(attempt)
        return account
