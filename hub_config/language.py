"""Two languages from the first page: English, which is the source, and Simplified Chinese.

Texts are gettext messages; every `.po` file of `locale/<language>/` is read and merged, so that
each slice keeps its own. They are read as text when first needed: no compiled file is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from babel.messages.pofile import read_po
from babel.support import NullTranslations

LANGUAGES = {"en": "English", "zh_CN": "简体中文"}
COOKIE = "radlab-language"
_LOCALE = Path(__file__).with_name("locale")

Gettext = Callable[[str], str]


@cache
def catalog(language: str) -> dict[str, str]:
    """All translated messages of `language`; empty for English."""
    messages: dict[str, str] = {}
    for path in sorted((_LOCALE / language).glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file, locale=language):
                if message.id and message.string and not message.fuzzy:
                    messages[str(message.id)] = str(message.string)
    return messages


def translator(language: str) -> Gettext:
    """The function that turns an English message into `language`, or leaves it as it is."""
    if language not in LANGUAGES or language == "en":
        return NullTranslations().gettext
    messages = catalog(language)
    return lambda message: messages.get(message, message)


def negotiate(cookie: str | None, accept_language: str | None) -> str:
    """The language to show: what the person chose, else the browser's first that we have."""
    if cookie in LANGUAGES:
        return cookie
    for part in _by_preference(accept_language or ""):
        if part.startswith("zh"):
            return "zh_CN"
        if part.startswith("en"):
            return "en"
    return "en"


def _by_preference(header: str) -> list[str]:
    weighted = []
    for order, part in enumerate(header.lower().split(",")):
        tag, _, weight = part.strip().partition(";q=")
        try:
            weighted.append((-float(weight or 1), order, tag))
        except ValueError:
            continue
    return [tag for _, _, tag in sorted(weighted)]
