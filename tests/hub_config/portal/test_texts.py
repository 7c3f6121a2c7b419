"""Every text of the portal that people see has its Chinese, and says the same things."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from jinja2 import Environment
from jinja2.ext import babel_extract

from hub_config import errors, portal
from hub_config.language import catalog

FOLDER = Path(portal.__file__).parent


def template_messages() -> Iterator[tuple[str, str]]:
    for path in sorted((FOLDER / "templates").glob("*.html")):
        with path.open("rb") as file:
            for _, _, message, _ in babel_extract(file, ("_",), [], {"encoding": "utf-8"}):
                if message:  # None where it is named by a variable: marked by N_ elsewhere
                    yield path.name, message


def code_messages() -> Iterator[tuple[str, str]]:
    """Messages marked by N_, and the sentences of refusals."""
    for path in sorted(FOLDER.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                yield from ((path.name, text) for text in _texts(node))


def _texts(call: ast.Call) -> Iterator[str]:
    name = getattr(call.func, "id", "")
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    if name == "N_" or name in refusals():
        for value in (*call.args[:1], keywords.get("do")):
            if isinstance(value, ast.Constant):
                yield value.value


def refusals() -> set[str]:
    found, todo = set(), [errors.RadLabError]
    while todo:
        kind = todo.pop()
        found.add(kind.__name__)
        todo += kind.__subclasses__()
    return found


ATTRIBUTE_WORDS = {"main", "text", "narrow", "button", "danger", "primary"}
TAB_WORDS = {
    "overview",
    "courses",
    "groups",
    "gpus",
    "invites",
    "people",
    "servers",
    "queue",
    "quotas",
    "usage",
    "audit",
}
MESSAGES = sorted(set(template_messages()) | set(code_messages()))


def test_messages_are_found() -> None:
    assert len(MESSAGES) > 100
    texts = {text for _, text in MESSAGES}
    assert "You are not signed in." in texts
    assert "Make a group" in texts


@pytest.mark.parametrize(("place", "message"), MESSAGES, ids=lambda text: text[:40])
def test_every_message_has_its_chinese(place: str, message: str) -> None:
    translated = catalog("zh_CN").get(message)
    assert translated, f"{place}: {message!r} is missing in hub_config/locale/zh_CN/portal.po"
    assert sorted(re.findall(r"{\w+}", translated)) == sorted(re.findall(r"{\w+}", message))


def test_templates_hold_no_text_outside_gettext() -> None:
    environment = Environment()
    paths = sorted((FOLDER / "templates").glob("*.html"))
    assert paths
    for path in paths:
        pieces = environment.lex(path.read_text())
        plain = "".join(value for _, kind, value in pieces if kind == "data")
        words = re.findall(r"[A-Za-z]{3,}", re.sub(r"<[^>]*>|&\w+;|/\S*", " ", plain))
        # A child page's blocks hold words for a class attribute, which no tag of theirs surrounds.
        words = [word for word in words if word not in ATTRIBUTE_WORDS | TAB_WORDS]
        assert not words, f"{path.name}: {words}"
