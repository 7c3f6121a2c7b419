"""Every sentence that quotas, records and the audit can say to a person is there in Chinese too."""

from __future__ import annotations

import ast
import inspect
import string
from collections.abc import Iterator

import pytest

from hub_config.errors import RadLabError
from hub_config.language import catalog
from hub_config.usage import refusals
from hub_config.usage.model import LIMITS


def constants(node: ast.expr) -> Iterator[str]:
    """The texts that `node` may be; a look-up in a table is that table's to test."""
    for branch in [node.body, node.orelse] if isinstance(node, ast.IfExp) else [node]:
        if isinstance(branch, ast.Constant):
            yield str(branch.value)


def sentences() -> Iterator[str]:
    for call in ast.walk(ast.parse(inspect.getsource(refusals))):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
            kind = getattr(refusals, call.func.id, None)
            if inspect.isclass(kind) and issubclass(kind, RadLabError):
                for given in [*call.args[:1], *(k.value for k in call.keywords if k.arg == "do")]:
                    yield from constants(given)


ALL = sorted({*sentences(), *refusals.LIMIT_TEXT.values(), *refusals.OVER_TEXT.values()})


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("text", ALL)
def test_a_sentence_is_translated_with_the_same_fields(text: str) -> None:
    translated = catalog("zh_CN").get(text)
    assert translated, "hub_config/locale/zh_CN has no translation"
    assert fields(translated) == fields(text)


def test_every_refusal_has_sentences() -> None:
    assert len(ALL) > 25


def test_every_limit_has_words() -> None:
    assert set(refusals.LIMIT_TEXT) == set(LIMITS)
    assert set(refusals.OVER_TEXT) == set(LIMITS) - {"disk_mb", "minutes"}
