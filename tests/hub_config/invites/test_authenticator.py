"""What JupyterHub is told about our accounts."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine

from hub_config.db import migrate, open_database
from hub_config.invites.authenticator import RadlabAuthenticator
from hub_config.settings import Settings


class HubUser:
    """What JupyterHub hands to an authenticator's hooks."""

    def __init__(self, name: str) -> None:
        self.name = name


@pytest.fixture
def database(settings: Settings) -> Engine:
    made = open_database(settings.radlab_database_url)
    migrate(made)
    return made


@pytest.fixture
def authenticator(settings: Settings, database: Engine) -> RadlabAuthenticator:
    settings.save({"trusted_proxy": "10.1.2.3"})
    return RadlabAuthenticator(state=settings.state)


def redeem(authenticator: RadlabAuthenticator, name: str) -> Any:
    store = authenticator.entrance.store
    return store.redeem(store.create_first_administrator().code, name, "hash")


async def test_groups_are_given_at_entry_and_left_alone_after(
    authenticator: RadlabAuthenticator,
) -> None:
    account = redeem(authenticator, "ada")
    assert await authenticator.get_authenticated_user(None, account) == {
        "name": "ada",
        "groups": ["administrators"],
        "admin": None,
        "auth_state": None,
        "user_info": None,
    }
    await authenticator.entered("ada")
    again = authenticator.entrance.store.account("ada")
    model = await authenticator.get_authenticated_user(None, again)
    assert model["groups"] is None


async def test_the_session_of_a_closed_account_ends(authenticator: RadlabAuthenticator) -> None:
    redeem(authenticator, "ada")
    assert await authenticator.refresh_user(HubUser("ada"))
    await authenticator.delete_user(HubUser("ada"))
    assert not await authenticator.refresh_user(HubUser("ada"))
    await authenticator.delete_user(HubUser("a-user-without-an-account"))


def test_every_account_may_enter_and_no_other_name_is_made(
    authenticator: RadlabAuthenticator,
) -> None:
    assert authenticator.allow_all
    assert authenticator.manage_groups
    assert not authenticator.admin_users
    assert authenticator.normalize_username(" Ana") == "ana"
    assert authenticator.validate_username("ana")
    assert not authenticator.validate_username("ana-li")


def test_our_proxy_and_the_sites_are_believed(authenticator: RadlabAuthenticator) -> None:
    assert authenticator.proxies == {"127.0.0.1", "::1", "172.29.0.1", "10.1.2.3"}


def test_limits_are_settings(settings: Settings, database: Engine) -> None:
    made = RadlabAuthenticator(state=settings.state, attempts_per_account=3, attempts_minutes=5)
    assert made.entrance.logins.per_account == 3
    assert made.entrance.logins.per_account_and_address == 10
    assert made.entrance.logins.window.total_seconds() == 300
    assert made.entrance.logins.per_address >= 300  # a large class behind one address
