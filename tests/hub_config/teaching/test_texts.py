"""Every sentence that courses, publications and progress can say is there in Chinese too."""

from __future__ import annotations

import ast
import inspect
import string
from collections.abc import Iterator

import pytest

from hub_config.errors import RadLabError
from hub_config.language import catalog
from hub_config.teaching import courses, rules


def constants(node: ast.expr) -> Iterator[str]:
    """The texts that `node` may be."""
    for branch in [node.body, node.orelse] if isinstance(node, ast.IfExp) else [node]:
        if isinstance(branch, ast.Constant):
            yield str(branch.value)


def sentences() -> Iterator[str]:
    for module in (rules, courses):
        for call in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
                kind = getattr(module, call.func.id, None)
                if inspect.isclass(kind) and issubclass(kind, RadLabError):
                    told = (keyword.value for keyword in call.keywords if keyword.arg == "do")
                    for given in [*call.args[:1], *told]:
                        yield from constants(given)


ALL = sorted(set(sentences()))


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_the_refusals_are_found() -> None:
    assert len(ALL) > 12


@pytest.mark.parametrize("text", ALL)
def test_a_sentence_is_translated_with_the_same_fields(text: str) -> None:
    translated = catalog("zh_CN").get(text)
    assert translated, "hub_config/locale/zh_CN/teaching.po has no translation"
    assert fields(translated) == fields(text)
