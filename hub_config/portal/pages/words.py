"""The mark of messages that are translated where they are shown."""

from __future__ import annotations


def N_(message: str) -> str:
    """`message` itself; what gathers texts for translation finds it by this name."""
    return message
