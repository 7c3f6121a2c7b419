"""Codes: what is spelled is read back however it is typed, and a typo never passes for a code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_config.invites import codes
from hub_config.invites.codes import CodeMistyped

RANDOM = st.binary(min_size=codes.RANDOM_BYTES, max_size=codes.RANDOM_BYTES)
CODE = codes.spell(bytes(range(200, 215)))


def test_a_code_holds_all_random_bits_even_beside_its_prefix() -> None:
    assert codes.RANDOM_BYTES * 8 - codes.PREFIX_LENGTH * 5 >= 100


@given(RANDOM, RANDOM)
def test_different_bits_make_different_codes(one: bytes, other: bytes) -> None:
    assert (codes.spell(one) == codes.spell(other)) == (one == other)


@given(RANDOM)
def test_a_code_that_is_shown_is_read_back(random: bytes) -> None:
    code = codes.spell(random)
    assert codes.read(codes.grouped(code)) == code


@pytest.mark.parametrize(
    "typed",
    [
        CODE.lower(),
        codes.grouped(CODE),
        f"  {codes.grouped(CODE).replace('-', ' ')}\n",
        codes.grouped(CODE).replace("-", "–"),
        codes.grouped(CODE).replace("-", "−"),
        CODE.replace("0", "O").replace("1", "l"),
        CODE.replace("0", "o").replace("1", "I"),
        CODE.translate({ord(c): ord(c) + 0xFEE0 for c in codes.ALPHABET}),  # full width
        codes.link("https://radlab.example", "invite", CODE, user="ana"),
        codes.link("https://radlab.example", "reset", CODE),
    ],
)
def test_a_code_is_read_however_it_is_typed(typed: str) -> None:
    assert codes.read(typed) == CODE


@given(RANDOM, st.integers(0, codes.LENGTH - 1), st.sampled_from(codes.ALPHABET))
def test_any_one_wrong_character_is_noticed(random: bytes, place: int, wrong: str) -> None:
    code = codes.spell(random)
    if code[place] == wrong:
        return
    with pytest.raises(CodeMistyped):
        codes.read(code[:place] + wrong + code[place + 1 :])


@given(RANDOM, st.integers(0, codes.LENGTH - 1), st.integers(0, codes.LENGTH - 1))
def test_any_two_characters_that_changed_places_are_noticed(
    random: bytes, one: int, other: int
) -> None:
    typed = list(codes.spell(random))
    if typed[one] == typed[other]:
        return
    typed[one], typed[other] = typed[other], typed[one]
    with pytest.raises(CodeMistyped):
        codes.read("".join(typed))


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", "has 25 characters, and this has 0"),
        (CODE[:-1], "and this has 24"),
        (CODE + "7", "and this has 26"),
        ("U" + CODE[1:], "contains the character 'U'"),
        ("密" * 25, "contains the character '密'"),
    ],
)
def test_a_typo_is_told_apart_and_explained(typed: str, said: str) -> None:
    with pytest.raises(CodeMistyped, match=said) as refused:
        codes.read(typed)
    assert refused.value.do


@given(st.text(max_size=60))
def test_no_text_does_worse_than_be_refused(typed: str) -> None:
    try:
        assert len(codes.read(typed)) == codes.LENGTH
    except CodeMistyped as refused:
        assert refused.given is None  # refusals are shown and logged; nearly a code is a code


def test_what_is_kept_depends_on_the_key_and_says_nothing_of_the_code() -> None:
    kept = codes.fingerprint(b"one key", CODE)
    assert kept != codes.fingerprint(b"another", CODE)
    assert len(kept) == 64
    assert CODE not in kept.upper()


def test_the_code_stands_in_the_fragment_of_its_link() -> None:
    link = codes.link("https://radlab.example", "invite", CODE, user="ana")
    assert link == f"https://radlab.example/hub/signup#code={codes.grouped(CODE)}&user=ana"
    assert "?" not in link
