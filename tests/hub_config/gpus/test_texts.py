"""Every sentence that groups and gpus can say to a person is there in Chinese too."""

from __future__ import annotations

import ast
import inspect
import string
from collections.abc import Iterator
from types import ModuleType

import pytest

from hub_config.errors import RadLabError
from hub_config.gpus import model, refusals
from hub_config.groups import rules as group_rules
from hub_config.language import catalog


def sentences(module: ModuleType) -> Iterator[str]:
    """The templates that the module gives to its errors: first argument, and `do`."""
    for call in ast.walk(ast.parse(inspect.getsource(module))):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
            continue
        kind = getattr(module, call.func.id, None)
        if inspect.isclass(kind) and issubclass(kind, RadLabError):
            given = [*call.args[:1], *(k.value for k in call.keywords if k.arg == "do")]
            for value in given:
                branches = [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]
                yield from (ast.literal_eval(branch) for branch in branches)


ALL = sorted(
    {
        *sentences(refusals),
        *sentences(group_rules),
        *model.ENDED_TEXT.values(),
        *model.UNUSABLE_TEXT.values(),
    }
)


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("text", ALL)
def test_a_sentence_is_translated_with_the_same_fields(text: str) -> None:
    translated = catalog("zh_CN").get(text)
    assert translated, "hub_config/locale/zh_CN has no translation"
    assert fields(translated) == fields(text)


def test_every_refusal_has_sentences() -> None:
    assert len(ALL) > 35


def test_every_end_and_every_hindrance_has_a_text() -> None:
    assert set(model.ENDED_TEXT) == set(model.Ended)
    assert set(model.UNUSABLE_TEXT) == set(model.Unusable)
