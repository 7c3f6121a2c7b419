"""How a code is spelled, read back and remembered. Pure.

A code is 120 random bits in 24 characters and a check character: `7M2QK-0WXRA-...`, five groups of
five. The alphabet is Douglas Crockford's base 32, which leaves out I, L, O and U, so that whoever
copies a code from a blackboard cannot go wrong: small letters, spaces, hyphens, O for 0, I or L
for 1 and a Chinese keyboard's full-width characters all read as the same code.

The check character tells a typo from a code that does not exist, before the database is asked.
Each character is an element of the field GF(32), and the sum of αⁱ·characterᵢ is 0. As α⁰ ... α³⁰
are all different, every single wrong character and every two that changed places are noticed.

Only an HMAC-SHA256 of a code is kept, under a key that lies outside the database, and its first
four characters for people to recognise it by: 100 bits stay secret even from who reads those.
"""

from __future__ import annotations

import hmac
import unicodedata
from hashlib import sha256
from typing import Literal

from hub_config.errors import BadInput

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RANDOM_BYTES = 15  # 120 bits: 24 characters of 5 bits
LENGTH = 25  # with the check character
PREFIX_LENGTH = 4
_GROUP = 5
_LOOKALIKES = str.maketrans("OIL", "011")
_SEPARATORS = {"Pd", "Pc", "Zs", "Cc", "Cf"}  # Unicode: dashes, underscores, spaces, invisible
_MINUS = "\N{MINUS SIGN}"  # a dash to who types it, a symbol to Unicode

Kind = Literal["invite", "reset"]


class CodeMistyped(BadInput):
    """This cannot be a code: it is incomplete, or a character is wrong."""

    code = "code_mistyped"
    field = "code"


def spell(random: bytes) -> str:
    """The code that `random` (15 bytes) makes, without hyphens."""
    number = int.from_bytes(random)
    values = [(number >> shift) & 31 for shift in range(5 * (LENGTH - 2), -1, -5)]
    check = _times_alpha(_weighted_sum(values))
    return "".join(ALPHABET[value] for value in [*values, check])


def grouped(code: str) -> str:
    """The code as people are shown it: groups of five with hyphens."""
    return "-".join(code[start : start + _GROUP] for start in range(0, LENGTH, _GROUP))


def read(text: str) -> str:
    """The code in `text`, however it was typed or pasted, a whole link too; CodeMistyped."""
    plain = unicodedata.normalize("NFKC", text).rpartition("code=")[2].partition("&")[0]
    code = "".join(char for char in plain.upper() if not _separates(char)).translate(_LOOKALIKES)
    if len(code) != LENGTH:
        raise _mistyped("A code has {wanted} characters, and this has {count}.", count=len(code))
    for char in code:
        if char not in ALPHABET:
            raise _mistyped("No code contains the character '{char}'.", char=char)
    if _weighted_sum([ALPHABET.index(char) for char in code]) != 0:
        raise _mistyped("This code is mistyped: its characters do not fit together.")
    return code


def fingerprint(key: bytes, code: str) -> str:
    """What is kept of a code: its HMAC-SHA256 under `key`, 64 hexadecimal digits."""
    return hmac.new(key, code.encode("ascii"), sha256).hexdigest()


def link(address: str, kind: Kind, code: str, user: str | None = None) -> str:
    """The link that bears the code in its fragment, which browsers send to nobody."""
    page = "signup" if kind == "invite" else "reset"
    named = f"&user={user}" if user else ""
    return f"{address}/hub/{page}#code={grouped(code)}{named}"


def _separates(char: str) -> bool:
    return unicodedata.category(char) in _SEPARATORS or char == _MINUS


def _mistyped(template: str, **params: object) -> CodeMistyped:
    # The refusal does not repeat what was given: it may be nearly a code, and refusals are logged.
    return CodeMistyped(
        template,
        do="Compare it with the code that you were given; hyphens and capitals do not matter.",
        wanted=LENGTH,
        **params,
    )


def _weighted_sum(values: list[int]) -> int:
    total = 0
    for value in values:
        total = _times_alpha(total) ^ value
    return total


def _times_alpha(value: int) -> int:
    # GF(32) modulo x⁵ + x² + 1, which is primitive: α generates all 31 elements but 0.
    value <<= 1
    return value ^ 0b100101 if value & 0b100000 else value
