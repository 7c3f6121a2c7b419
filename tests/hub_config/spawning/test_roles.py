"""Nobody holds more of the Hub than their work needs."""

from __future__ import annotations

import itertools

import pytest

from hub_config.spawning import roles

TOO_MUCH = ("admin", "users", "groups", "servers", "tokens", "proxy", "shutdown", "self", "inherit")


def scopes_of(name: str) -> list[str]:
    (role,) = [role for role in roles.roles() if role["name"] == name]
    return role["scopes"]


@pytest.mark.parametrize("role", [role["name"] for role in roles.roles()])
def test_no_role_may_change_people_or_the_hub_and_only_the_portal_groups(role):
    allowed = {"admin:groups"} if role == "radlab-portal" else set()
    for scope, word in itertools.product(set(scopes_of(role)) - allowed, TOO_MUCH):
        assert scope != word and not scope.startswith(f"{word}:"), scope
        assert not scope.startswith(("admin:", "access:servers")), scope


def test_people_hold_custom_scopes_only_and_instructors_fewer():
    administrator = scopes_of("radlab-administrator")
    instructor = scopes_of("radlab-instructor")
    assert all(scope.startswith("custom:") for scope in administrator)
    assert set(instructor) < set(administrator) == set(roles.custom_scopes())


def test_roles_are_bound_to_the_hubs_groups():
    bound = {role["name"]: role.get("groups") for role in roles.roles()}
    assert bound["radlab-administrator"] == ["administrators"]
    assert bound["radlab-instructor"] == ["instructors"]


def test_the_portal_may_look_start_stop_and_group_and_enter_nothing():
    assert set(scopes_of("radlab-portal")) == {
        "list:users", "read:users", "read:servers", "read:hub", "start:servers", "delete:servers",
        "admin:groups",
    }  # fmt: skip


def test_everybody_may_open_the_portal_without_being_asked():
    service = roles.portal_service("http://127.0.0.1:8091", "token")
    assert roles.user_scopes() == {"access:services!service=radlab"}
    assert service["oauth_no_confirm"] is True
    assert service["oauth_redirect_uri"] == "/services/radlab/oauth_callback"
    assert set(service["oauth_client_allowed_scopes"]) == set(roles.custom_scopes())
