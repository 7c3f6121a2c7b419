"""A refusal reads in both languages, with its hint."""

from __future__ import annotations

from hub_config.errors import NotFound, RadLabError, nearest
from hub_config.language import negotiate, translator


def refusal() -> RadLabError:
    return NotFound(
        "No {what}.{hint}", what="x", hint=nearest("radiolgy", ["radiology", "surgery"])
    )


def test_a_typo_names_the_nearest_thing_that_exists() -> None:
    assert str(refusal()) == "No x. Did you mean 'radiology'?"


def test_the_hint_is_translated_with_its_message() -> None:
    assert refusal().localised(translator("zh_CN")) == "No x.您是不是想输入“radiology”？"


def test_nothing_near_gives_no_hint() -> None:
    assert nearest("zzz", ["radiology"]) == ""
    assert nearest("zzz", ["radiology"]).localised(translator("zh_CN")) == ""


def test_the_shape_of_every_refusal_is_the_same() -> None:
    shape = {"code", "message", "given", "allowed", "do"}
    assert set(refusal().as_dict()["error"]) == shape


def test_a_chosen_language_stands_above_the_browsers() -> None:
    assert negotiate("en", "zh-CN,zh;q=0.9") == "en"
    assert negotiate(None, "zh-CN,zh;q=0.9,en;q=0.8") == "zh_CN"
    assert negotiate(None, "de,en;q=0.5,zh;q=0.4") == "en"
    assert negotiate("xx", None) == "en"
