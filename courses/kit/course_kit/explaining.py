"""Words of the field on a card: two sentences each, in the reader's language."""

from __future__ import annotations

import functools
from importlib import resources

import yaml

from course_kit import show
from course_kit.errors import UnknownName
from course_kit.texts import spoken


@functools.cache
def words() -> dict[str, dict[str, dict[str, str]]]:
    """All words that can be explained, each with `title` and `text` by language."""
    path = resources.files("course_kit").joinpath("glossary.yaml")
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def show_card(word: str) -> None:
    """Show the card of a word; UnknownName names the nearest."""
    known = words()
    if word not in known:
        raise UnknownName("word in the glossary", word, known)
    entry = known[word]
    show.show(spoken(entry["text"]), kind="note", title=spoken(entry["title"]))
