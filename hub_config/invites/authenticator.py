"""JupyterHub's authenticator over our accounts: who came in by an invite, and nobody else.

The pages hand over an account that `entrance` has let in, and JupyterHub's `login_user` brings it
here through `authenticate`: whatever JupyterHub does at a login (roles, groups, cookies, metrics)
it does for sign-in, sign-up and reset alike.

An account's groups are given when the Hub first learns of it and never again, so that whoever is
moved to another group later stays there: with `manage_groups`, JupyterHub 6.1 takes a list as the
whole truth and None as "leave them" (`BaseHandler.auth_to_user`).
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from jupyterhub.auth import Authenticator
from traitlets import Instance, Integer, Unicode, default

from hub_config.invites import credentials, pages
from hub_config.invites.attempts import Attempts
from hub_config.invites.entrance import Entrance
from hub_config.invites.passwords import Passwords
from hub_config.invites.rules import Account, groups_at_entry
from hub_config.invites.store import open_store
from hub_config.settings import Settings, load_settings


class RadlabAuthenticator(Authenticator):  # type: ignore[misc]  # JupyterHub has no types
    """Lets in the accounts that invites made; see the module."""

    state = Unicode("", config=True, help="RadLab's state folder; empty: that of RADLAB_STATE.")
    attempts_minutes = Integer(
        10, min=1, config=True, help="Minutes for which a failed attempt is remembered."
    )
    attempts_per_account_and_address = Integer(
        10,
        min=1,
        config=True,
        help="Failed logins to one account from one address in that time; then 429, there alone.",
    )
    attempts_per_account = Integer(
        100,
        min=1,
        config=True,
        help="Failed logins to one account from all addresses in that time; then 429 everywhere. "
        "Far above the limit from one address: else anybody could lock anybody out.",
    )
    attempts_per_address = Integer(
        400,
        min=1,
        config=True,
        help="Attempts from one address in that time that failed or are under way; then 429. "
        "A class often shares one address: at least as many as sign in at once.",
    )
    attempts_overall = Integer(
        4000, min=1, config=True, help="The same from all addresses together; then 429."
    )
    radlab = Instance(Settings, help="The settings of this RadLab.")
    entrance = Instance(Entrance, help="What decides who comes in.")

    @default("manage_groups")
    def _groups_come_with_an_account(self) -> bool:
        return True

    @default("allow_all")
    def _every_account_may_enter(self) -> bool:
        return True

    @default("radlab")
    def _load_settings(self) -> Settings:
        return load_settings(self.state or None)

    @default("entrance")
    def _open_entrance(self) -> Entrance:
        return Entrance(
            open_store(self.radlab),
            Passwords(),
            logins=self.make_attempts(),
            redemptions=self.make_attempts(),
        )

    def make_attempts(self) -> Attempts:
        """A count of attempts with the limits that are set."""
        return Attempts(
            timedelta(minutes=self.attempts_minutes),
            per_account_and_address=self.attempts_per_account_and_address,
            per_account=self.attempts_per_account,
            per_address=self.attempts_per_address,
            overall=self.attempts_overall,
        )

    @property
    def proxies(self) -> set[str]:
        """The addresses whose X-Forwarded-For is believed: our proxy's, and the site's."""
        settings = self.radlab
        return {"127.0.0.1", "::1", settings.hub_address, settings.trusted_proxy} - {""}

    async def authenticate(self, handler: Any, data: Account) -> dict[str, Any]:
        """JupyterHub's model of an account that a page has let in."""
        is_new = data.entered_at is None
        groups = groups_at_entry(data.role, data.group) if is_new else None
        return {"name": data.name, "groups": groups}

    async def entered(self, name: str) -> None:
        """Note that the Hub has taken the first groups of `name`."""
        await asyncio.to_thread(self.entrance.store.enter, name)

    async def refresh_user(self, user: Any, handler: Any = None) -> bool:
        """False, which ends the session, where the account was closed."""
        return not await asyncio.to_thread(self.entrance.store.is_closed, user.name)

    async def delete_user(self, user: Any) -> None:
        """Who is deleted in the Hub cannot sign in again; the name stays taken."""
        super().delete_user(user)
        await asyncio.to_thread(self.entrance.store.close, user.name)

    def normalize_username(self, username: str) -> str:
        """The name as accounts bear it."""
        return credentials.fold_name(username)

    def validate_username(self, username: str) -> bool:
        """True for the names that an account can have."""
        return credentials.is_user_name(username)

    def get_handlers(self, app: Any) -> list[tuple[Any, ...]]:
        """Our pages, in place of JupyterHub's login."""
        return pages.handlers()
