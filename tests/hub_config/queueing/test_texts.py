"""Every sentence of the queue is there in Chinese too, and fits the values that it is given."""

from __future__ import annotations

import ast
import inspect
import string
from collections.abc import Iterator

import pytest

from hub_config.errors import RadLabError
from hub_config.language import catalog, translator
from hub_config.queueing import refusals, texts
from hub_config.queueing.model import NoExtension, Outlook, Reason, State
from hub_config.usage.model import LIMITS
from tests.hub_config.queueing.story import MONDAY_NOON, Site


def refused() -> Iterator[str]:
    """The templates that refusals.py gives to its errors: first argument, and `do`."""
    for call in ast.walk(ast.parse(inspect.getsource(refusals))):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
            kind = getattr(refusals, call.func.id, None)
            if inspect.isclass(kind) and issubclass(kind, RadLabError):
                given = [*call.args[:1], *(k.value for k in call.keywords if k.arg == "do")]
                yield from map(ast.literal_eval, given)


OTHERS = (*texts.STATE_TEXT.values(), *texts.NO_EXTENSION_TEXT.values())
ALL = sorted({*refused(), *texts.SENTENCES, *OTHERS})


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("text", ALL)
def test_a_sentence_is_translated_with_the_same_fields(text: str) -> None:
    translated = catalog("zh_CN").get(text)
    assert translated, "hub_config/locale/zh_CN has no translation"
    assert fields(translated) == fields(text)


def test_every_word_has_a_text() -> None:
    assert len(ALL) > 40
    assert set(texts.REASON_TEXT) == set(Reason)
    assert set(texts.STATE_TEXT) == set(State)
    assert set(texts.NO_EXTENSION_TEXT) == set(NoExtension)


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("reason", [Reason.QUOTA_GROUP, Reason.QUOTA_PERSON])
@pytest.mark.parametrize("what", sorted(set(LIMITS) - {"disk_mb", "minutes"}))
def test_each_limit_that_makes_one_wait_has_its_own_sentence(
    reason: Reason, what: str, language: str
) -> None:
    values = {"what": what, "used": 2.0, "limit": 4.0, "next_free_at": None, "group": "aa"}
    told = Outlook(position=1, waiting=1, expected_at=None, reason=reason, reason_values=values)
    sentence = texts.template(told)
    assert sentence != texts.REASON_TEXT[reason]
    assert "4" in translator(language)(sentence).format(**values)


@pytest.mark.parametrize(
    ("owners", "running", "wanted", "said"),
    [
        (["aa"], 1, 1, "The GPU of group aa is in use"),
        (["aa", "aa"], 2, 1, "All 2 GPUs of group aa are in use"),
        (["aa", "aa"], 1, 2, "1 of 2 GPUs of group aa are in use"),
    ],
)
def test_the_sentence_counts_what_is_in_use(
    site: Site, owners: list[str], running: int, wanted: int, said: str
) -> None:
    site.cards(*owners)
    for index in range(running):
        site.run(f"r{index}")
    site.enter("ann", gpu_count=wanted)
    told = site.outlook("ann")
    sentence = texts.template(told).format(**told.reason_values)
    assert sentence.startswith(said)
    assert str(MONDAY_NOON.replace(hour=13).hour) in sentence


def test_where_no_card_can_be_used_that_is_said(site: Site) -> None:
    site.cards("aa")
    site.enter("ann")
    site.devices.drain("0", True, "ada")
    told = site.outlook("ann")
    said = "No GPU of group aa that would serve can be used at the moment."
    assert texts.template(told).format(**told.reason_values) == said
