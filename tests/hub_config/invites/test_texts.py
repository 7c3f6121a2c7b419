"""Every text of this slice that people see has its Chinese, with the same parameters in it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from jinja2 import Environment
from jinja2.ext import babel_extract

from hub_config import invites
from hub_config.language import catalog

FOLDER = Path(invites.__file__).parent


def template_messages() -> Iterator[str]:
    for path in sorted(invites.TEMPLATES.glob("*.html")):
        with path.open("rb") as file:
            for _, _, message, _ in babel_extract(file, ("_",), [], {"encoding": "utf-8"}):
                yield str(message)


def refusal_messages() -> Iterator[str]:
    """Sentences that something is called with, or that have a name."""
    for path in sorted(FOLDER.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            given: list[ast.expr] = [node.value] if isinstance(node, ast.Assign) else []
            if isinstance(node, ast.Call):
                given = [*node.args, *(k.value for k in node.keywords if k.arg == "do")]
            yield from (str(a.value) for a in given if _is_sentence(a))


def _is_sentence(node: ast.expr) -> bool:
    text = node.value if isinstance(node, ast.Constant) else None
    return isinstance(text, str) and re.fullmatch(r"[A-Z'`].* .*[.}]", text) is not None


MESSAGES = sorted({*template_messages(), *refusal_messages()})


def test_messages_are_found() -> None:
    assert {
        "Sign in",
        "The user name '{name}' is taken.",
        "Use at least {fewest} characters.",
        "The password has digits only.",
        "There is no role '{role}'.{hint}",
        "Send it again.",
        "Use several unrelated words, or let a password manager make one.",
    } <= set(MESSAGES)


@pytest.mark.parametrize("message", MESSAGES)
def test_every_message_has_its_chinese(message: str) -> None:
    translated = catalog("zh_CN").get(message)
    assert translated, f"{message!r} is missing in hub_config/locale/zh_CN/invites.po"
    assert sorted(re.findall(r"{\w+}", translated)) == sorted(re.findall(r"{\w+}", message))


def test_templates_hold_no_text_outside_gettext() -> None:
    paths = sorted(invites.TEMPLATES.glob("*.html"))
    assert paths
    for path in paths:
        pieces = Environment().lex(path.read_text())
        plain = "".join(value for _, kind, value in pieces if kind == "data")
        shown = re.sub(r"<[^>]*>|rl-main--\w+", " ", plain)
        assert not re.findall(r"[A-Za-z]{3,}", shown), path.name
