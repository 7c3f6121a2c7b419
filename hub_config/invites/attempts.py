"""How often somebody may try, and from which address they are trying. Pure.

An attempt counts from the moment it begins, so that a thousand at once gain nothing, and is
forgiven when it succeeds, so that a class of three hundred behind one address can sign in at the
same minute. Attempts older than the window are forgotten; those that were refused are not kept, so
that the memory is bounded by the limit on all.

The strict limit is on one account from one address: whoever guesses is stopped there, and the
account's owner, who is elsewhere, still gets in. An account as a whole has a far higher limit,
against guesses from many addresses: to lock somebody out takes as many addresses as the one
limit fits into the other.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub_config.errors import TooMany


class TooManyAttempts(TooMany):
    """Too many failed attempts; `retry_after`: seconds until the next may be made."""

    code = "too_many_attempts"
    retry_after: int


@dataclass(frozen=True, eq=False)
class Attempt:
    """One try: when, from which address, and for which account where that is known."""

    at: datetime
    address: str
    account: str | None


class Attempts:
    """The attempts of the last `window`, limited by account and address, alone and together."""

    def __init__(
        self,
        window: timedelta,
        *,
        per_account_and_address: int,
        per_account: int,
        per_address: int,
        overall: int,
    ) -> None:
        self.window = window
        self.per_account_and_address = per_account_and_address
        self.per_account = per_account
        self.per_address = per_address
        self.overall = overall
        self._recent: list[Attempt] = []

    def admit(self, now: datetime, address: str, account: str | None = None) -> Attempt:
        """Count an attempt, or refuse it: TooManyAttempts."""
        # A clock that was set back leaves attempts in the future: they are forgotten too.
        self._recent = [a for a in self._recent if timedelta(0) <= now - a.at < self.window]
        same_address = [a for a in self._recent if a.address == address]
        same_account = [a for a in self._recent if a.account == account and account is not None]
        same_both = [a for a in same_account if a.address == address]
        for counted, most in (
            (same_both, self.per_account_and_address),
            (same_account, self.per_account),
            (same_address, self.per_address),
            (self._recent, self.overall),
        ):
            if len(counted) >= most:
                raise _too_many(counted[-most].at + self.window - now)
        attempt = Attempt(now, address, account)
        self._recent.append(attempt)
        return attempt

    def forgive(self, attempt: Attempt) -> None:
        """Take back an attempt that succeeded."""
        self._recent = [a for a in self._recent if a is not attempt]


def client_address(peer: str, forwarded_for: str, proxies: Collection[str]) -> str:
    """The address that a request comes from.

    `peer` is the other end of the connection; `forwarded_for` the X-Forwarded-For header, to which
    each proxy appends who connected to it. Only what one of our `proxies` appended is believed: a
    container that connects to the Hub itself, or a browser that sends the header, forges nothing.
    An IPv6 network is one address, for whoever has one has 2^64.
    """
    believed = {_plain(proxy) for proxy in proxies}
    address = _plain(peer)
    for claimed in reversed(forwarded_for.split(",")):
        if address not in believed or not claimed.strip():
            break
        address = _plain(claimed.strip())
    return _network_of(address)


def _plain(address: str) -> str:
    """`address`, with an IPv4 address in IPv6 clothes (`::ffff:10.0.0.1`) undressed."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    mapped = getattr(parsed, "ipv4_mapped", None)
    return str(mapped or parsed)


def _network_of(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return address if parsed.version == 4 else str(ipaddress.ip_network((parsed, 64), strict=False))


def _too_many(wait: timedelta) -> TooManyAttempts:
    seconds = max(1, int(wait.total_seconds()) + 1)
    refusal = TooManyAttempts(
        "Too many attempts failed.",
        do="Wait {minutes} min, then try again.",
        minutes=-(-seconds // 60),
    )
    refusal.retry_after = seconds
    return refusal
