"""Attempts are counted by account and address, each, both and all; addresses are not forged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_config.invites.attempts import Attempts, TooManyAttempts, client_address

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def attempts(
    per_account_and_address: int = 100,
    per_account: int = 100,
    per_address: int = 100,
    overall: int = 100,
) -> Attempts:
    return Attempts(
        10 * MINUTE,
        per_account_and_address=per_account_and_address,
        per_account=per_account,
        per_address=per_address,
        overall=overall,
    )


def test_one_attempt_too_many_on_an_account_is_refused_at_that_address_alone() -> None:
    made = attempts(per_account_and_address=2)
    for _ in range(2):
        made.admit(NOON, "10.0.0.1", "ana")
    with pytest.raises(TooManyAttempts):
        made.admit(NOON, "10.0.0.1", "ana")
    made.admit(NOON, "10.0.0.2", "ana")
    made.admit(NOON, "10.0.0.1", "li")


def test_attempts_on_no_account_are_not_counted_as_one_account() -> None:
    made = attempts(per_account_and_address=1, per_account=1)
    for _ in range(5):
        made.admit(NOON, "10.0.0.1", None)


def test_one_attempt_too_many_on_an_account_is_refused_from_any_address() -> None:
    made = attempts(per_account=2)
    made.admit(NOON, "10.0.0.1", "ana")
    made.admit(NOON, "10.0.0.2", "ana")
    with pytest.raises(TooManyAttempts):
        made.admit(NOON, "10.0.0.3", "ana")
    made.admit(NOON, "10.0.0.3", "li")


def test_one_attempt_too_many_from_an_address_is_refused_for_any_account() -> None:
    made = attempts(per_address=2)
    made.admit(NOON, "10.0.0.1", "ana")
    made.admit(NOON, "10.0.0.1", None)
    with pytest.raises(TooManyAttempts):
        made.admit(NOON, "10.0.0.1", "li")
    made.admit(NOON, "10.0.0.2", "li")


def test_one_attempt_too_many_overall_is_refused() -> None:
    made = attempts(overall=2)
    made.admit(NOON, "10.0.0.1", "ana")
    made.admit(NOON, "10.0.0.2", "li")
    with pytest.raises(TooManyAttempts):
        made.admit(NOON, "10.0.0.3", "bo")


def test_the_window_slides_and_the_refusal_says_how_long() -> None:
    made = attempts(per_account=2)
    made.admit(NOON, "a", "ana")
    made.admit(NOON + 4 * MINUTE, "a", "ana")
    with pytest.raises(TooManyAttempts, match="Wait 5 min") as refused:
        made.admit(NOON + 5.5 * MINUTE, "a", "ana")
    assert refused.value.retry_after == 271
    made.admit(NOON + 10 * MINUTE, "a", "ana")
    with pytest.raises(TooManyAttempts):
        made.admit(NOON + 13 * MINUTE, "a", "ana")


def test_a_refused_attempt_prolongs_nothing() -> None:
    made = attempts(per_account=1)
    made.admit(NOON, "a", "ana")
    for minute in range(1, 10):
        with pytest.raises(TooManyAttempts):
            made.admit(NOON + minute * MINUTE, "a", "ana")
    made.admit(NOON + 10 * MINUTE, "a", "ana")


def test_attempts_that_succeed_do_not_count() -> None:
    made = attempts(per_address=3, overall=3)
    for _ in range(300):
        made.forgive(made.admit(NOON, "10.0.0.1", "ana"))
    made.admit(NOON, "10.0.0.1", "ana")


def test_a_clock_that_steps_back_locks_nobody_out() -> None:
    made = attempts(per_account=1)
    made.admit(NOON, "a", "ana")
    made.admit(NOON - timedelta(days=1), "a", "ana")


@given(
    st.lists(
        st.tuples(st.integers(0, 600), st.sampled_from("abc"), st.sampled_from(["ana", "li", None]))
    )
)
def test_no_window_ever_holds_more_than_its_limits(tried: list[tuple[int, str, str]]) -> None:
    made = attempts(per_account_and_address=2, per_account=3, per_address=4, overall=6)
    let_in: list[tuple[datetime, str, str]] = []
    for seconds, address, account in sorted(tried, key=lambda t: t[0]):
        now = NOON + timedelta(seconds=4 * seconds)
        try:
            made.admit(now, address, account)
        except TooManyAttempts:
            continue
        let_in.append((now, address, account))
        recent = [a for a in let_in if now - a[0] < 10 * MINUTE]
        assert len(recent) <= 6
        assert sum(a[1] == address for a in recent) <= 4
        assert account is None or sum(a[2] == account for a in recent) <= 3
        assert account is None or sum(a[1:] == (address, account) for a in recent) <= 2


PROXIES = {"127.0.0.1", "::1", "172.29.0.1"}


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        ("127.0.0.1", "192.0.2.7", "192.0.2.7"),
        ("172.29.0.1", "192.0.2.7", "192.0.2.7"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "::ffff:192.0.2.7", "192.0.2.7"),
        # a browser that sends the header itself: the proxy appends where it really is
        ("127.0.0.1", "8.8.8.8, 192.0.2.7", "192.0.2.7"),
        # a container that speaks to the Hub's own port
        ("172.29.0.9", "8.8.8.8", "172.29.0.9"),
        ("172.29.0.9", "127.0.0.1, 8.8.8.8", "172.29.0.9"),
        # a container that comes through the public port
        ("172.29.0.1", "8.8.8.8, 172.29.0.9", "172.29.0.9"),
        # a front proxy that the site trusts (127.0.0.1 here), before ours
        ("172.29.0.1", "8.8.8.8, 192.0.2.7, 127.0.0.1", "192.0.2.7"),
        # whoever has one IPv6 address has the network
        ("127.0.0.1", "2001:db8::1:2:3:4", "2001:db8::/64"),
        ("127.0.0.1", "2001:db8::5:6:7:8", "2001:db8::/64"),
    ],
)
def test_only_our_proxies_are_believed(peer: str, forwarded_for: str, address: str) -> None:
    assert client_address(peer, forwarded_for, PROXIES) == address


@given(st.text(max_size=100))
def test_no_header_does_harm(forwarded_for: str) -> None:
    assert client_address("172.29.0.9", forwarded_for, PROXIES) == "172.29.0.9"
    assert len(client_address("127.0.0.1", forwarded_for, PROXIES)) <= 64
