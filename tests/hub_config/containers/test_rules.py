"""Homes and networks of containers follow from users and groups alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_config.containers import rules


@pytest.mark.parametrize(
    ("lender", "policies", "open_"),
    [
        ("closed", {"closed": False, "open": True}, False),
        ("open", {"closed": False, "open": True}, True),
        (None, {"closed": False, "open": True}, True),
        (None, {"closed": False}, False),
        (None, {}, False),
    ],
)
def test_the_group_that_lends_the_gpu_decides_about_the_internet(lender, policies, open_):
    assert rules.internet_allowed(lender, policies) is open_


@given(st.text(min_size=1, max_size=60), st.text(min_size=1, max_size=60))
def test_homes_of_different_users_never_share_a_folder(one, other):
    assert (rules.home_slug(one) == rules.home_slug(other)) is (one == other)


@given(st.text(min_size=1, max_size=200))
def test_a_slug_is_safe_as_a_folder_and_as_a_docker_volume(name):
    slug = rules.home_slug(name)
    assert set(slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert 0 < len(slug) <= 48
