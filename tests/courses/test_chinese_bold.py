"""Bold words in Chinese prose show as bold, not as stars.

Markdown closes bold only where the stars follow no punctuation, or something other than a letter
comes behind them (CommonMark 0.31, 6.2: right-flanking runs). Chinese puts no space there.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MARKS = "。，：？！；）”》、"
PROSE = sorted((ROOT / "courses").glob("*/lesson.zh.md"))


def broken(line: str) -> bool:
    """True where a bold part ends in a mark and a letter comes right behind the stars."""
    parts = re.sub(r"`[^`]*`", lambda code: "x" * len(code[0]), line).split("**")
    pairs = zip(parts[1:-1:2], parts[2::2], strict=False)
    return any(
        bold[-1:] in MARKS and after[:1].strip() and after[0] not in MARKS + "（“《|"
        for bold, after in pairs
        if bold
    )


@pytest.mark.parametrize("path", PROSE, ids=lambda path: path.parent.name)
def test_bold_words_in_chinese_show_as_bold(path: Path) -> None:
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
    assert [f"line {number}: {line[:60]}" for number, line in lines if broken(line)] == []


@pytest.mark.parametrize(
    ("line", "is_broken"),
    [
        ("**名字不会。**内核", True),
        ("**名字不会**。内核", False),
        ("前面。**名字不会**", False),
        ("**全部都是粗体。**", False),
        ("**轮到你了。** 后面", False),
        ("`**` 是乘方，`2**20` 也是", False),
    ],
)
def test_the_rule_finds_what_markdown_leaves_as_stars(line: str, is_broken: bool) -> None:
    assert broken(line) is is_broken
