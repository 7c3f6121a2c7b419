"""What the kit says, in the reader's language: RADLAB_LANGUAGE, `en` where it says nothing known.

Texts of modules are written as `{en: ..., zh_CN: ...}`; the kit's own stand in `texts.yaml`, by key.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from importlib import resources

import yaml

LANGUAGES = ("en", "zh_CN")


def language() -> str:
    """The language that this session speaks."""
    wanted = os.environ.get("RADLAB_LANGUAGE", "en")
    return wanted if wanted in LANGUAGES else "en"


def spoken(text: str | Mapping[str, str]) -> str:
    """A text of a module in the reader's language; in English where it is not translated."""
    if isinstance(text, str):
        return text
    return text.get(language()) or text["en"]


def say(key: str, **values: object) -> str:
    """One of the kit's own texts, with its values put in; KeyError for a key that is not there."""
    return spoken(own_texts()[key]).format(**values)


@functools.cache
def own_texts() -> dict[str, dict[str, str]]:
    """All texts of the kit, by key, then by language."""
    content = resources.files("course_kit").joinpath("texts.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(content))
