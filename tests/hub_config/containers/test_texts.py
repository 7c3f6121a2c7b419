"""Every sentence that the keeper refuses with is there in Chinese too."""

from __future__ import annotations

import ast
import inspect
import string
from collections.abc import Iterator
from types import ModuleType

import pytest

from hub_config.containers import client
from hub_config.errors import RadLabError
from hub_config.keeper import containers, engine, homes, locks, server, starting
from hub_config.language import catalog


def sentences(module: ModuleType) -> Iterator[str]:
    """The templates that the module gives to its errors: first argument, and `do`."""
    for call in ast.walk(ast.parse(inspect.getsource(module))):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
            continue
        kind = getattr(module, call.func.id, None)
        if inspect.isclass(kind) and issubclass(kind, RadLabError):
            given = [*call.args[:1], *(k.value for k in call.keywords if k.arg == "do")]
            yield from (ast.literal_eval(value) for value in given)


MODULES = (client, containers, engine, homes, locks, server, starting)
ALL = sorted({text for module in MODULES for text in sentences(module)})


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("text", ALL)
def test_a_sentence_is_translated_with_the_same_fields(text: str) -> None:
    translated = catalog("zh_CN").get(text)
    assert translated, "hub_config/locale/zh_CN has no translation"
    assert fields(translated) == fields(text)


def test_each_of_them_has_sentences() -> None:
    assert all(list(sentences(module)) for module in MODULES)
