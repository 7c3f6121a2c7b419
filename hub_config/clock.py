"""The one place where time is read, so that rules can be tested at any hour.

Times are aware UTC everywhere; they become local only when a browser shows them.
"""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


def to_iso(moment: datetime) -> str:
    """`moment` as ISO 8601 in UTC with seconds, such as `2026-03-01T09:30:00Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def from_iso(text: str) -> datetime:
    """The aware UTC moment that `text` (ISO 8601) names; ValueError where it names none."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone; end it with Z or an offset")
    return moment.astimezone(UTC)
