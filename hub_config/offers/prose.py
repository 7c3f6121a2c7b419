"""The prose of a lesson in another language, kept beside the lesson and checked against it.

`lesson.zh.md` is a list of blocks. Each opens with a comment that says what it translates:

    <!-- story 1f0c9a2b -->        a paragraph of the cell `story`, by the hash of its English text
    一位放射科医生……

    <!-- floor: code -->           what a reader sees in the code of the cell `floor`
    - Always the same answer => 永远同一个答案

An edited English paragraph has another hash, so its old translation is found to be stale and named
instead of shown. In code cells each comment and each text of two words or more must be translated;
names, keys and numbers stay as they are.
"""

from __future__ import annotations

import ast
import hashlib
import io
import re
import tokenize
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from hub_config.errors import BadInput

_OPENING = re.compile(r"^<!-- *(?P<cell>[\w-]+)(?: +(?P<hash>[0-9a-f]{8})|(?P<code>: code)) *-->$")
_PHRASE = re.compile(r"^- (?P<source>.+?) => (?P<translation>.+)$")
_TWO_WORDS = re.compile(r"[A-Za-z]{2,}[,;:]? +[A-Za-z]{2,}")
CHINESE = re.compile(r"[\u4e00-\u9fff]")


class BadTranslation(BadInput):
    """A translation is missing, stale, or of nothing."""

    code = "bad_translation"


@dataclass
class Prose:
    """The translations of one lesson, and which of them were used."""

    path: Path
    paragraphs: dict[tuple[str, str], str] = field(default_factory=dict)
    phrases: dict[str, dict[str, str]] = field(default_factory=dict)
    used: set[tuple[str, str]] = field(default_factory=set)

    def markdown(self, cell: str, source: str) -> str:
        """The prose of a markdown cell, translated; BadTranslation names what is missing."""
        missing = [
            text for text in paragraphs(source) if (cell, digest(text)) not in self.paragraphs
        ]
        if missing:
            raise self._untranslated(cell, missing[0], f"<!-- {cell} {digest(missing[0])} -->")
        keys = [(cell, digest(text)) for text in paragraphs(source)]
        self.used.update(keys)
        return "\n\n".join(self.paragraphs[key] for key in keys)

    def code(self, cell: str, source: str) -> str:
        """A code cell with its comments and texts translated; BadTranslation names what is not."""
        phrases = self.phrases.get(cell, {})
        translated = source
        for phrase in sorted(phrases, key=len, reverse=True):
            if phrase not in source:
                raise self._stale(cell, phrase)
            translated = translated.replace(phrase, phrases[phrase])
            self.used.add((cell, phrase))
        for text in seen_texts(translated):
            if not CHINESE.search(text):
                raise self._untranslated(cell, text, f"<!-- {cell}: code -->")
        return translated

    def refuse_unused(self) -> None:
        """BadTranslation where a translation belongs to no text of the lesson any more."""
        for key in self.paragraphs:
            if key not in self.used:
                raise self._stale(*key)
        for cell, phrases in self.phrases.items():
            for phrase in phrases:
                if (cell, phrase) not in self.used:
                    raise self._stale(cell, phrase)

    def _untranslated(self, cell: str, text: str, opening: str) -> BadTranslation:
        return BadTranslation(
            "{path}: the cell '{cell}' has no translation of “{text}”.",
            given=text,
            do="Add it in a block that opens with the line `{opening}`.",
            path=self.path,
            cell=cell,
            text=_short(text),
            opening=opening,
        )

    def _stale(self, cell: str, key: str) -> BadTranslation:
        return BadTranslation(
            "{path}: the translation of “{key}” in the cell '{cell}' is stale: the lesson does "
            "not say that any more.",
            given=key,
            do="Translate what the cell says now, or remove the block.",
            path=self.path,
            cell=cell,
            key=_short(key),
        )


def paragraphs(source: str) -> list[str]:
    """The paragraphs of a markdown text, parted by blank lines."""
    return [part.strip("\n") for part in re.split(r"\n\s*\n", source) if part.strip()]


def digest(paragraph: str) -> str:
    """Eight hexadecimal digits that change with the words of a paragraph, not its line breaks."""
    return hashlib.sha256(" ".join(paragraph.split()).encode()).hexdigest()[:8]


def seen_texts(source: str) -> list[str]:
    """The comments of a piece of code, and its strings of two words or more."""
    comments = [
        token.string
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    ]
    strings = [
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    return comments + [text for text in strings if _TWO_WORDS.search(text)]


def read_prose(path: Path) -> Prose:
    """The translations in `path`; BadTranslation names a line that is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, 0, str(error)) from error
    prose = Prose(path)
    for number, opening, block in _blocks(path, lines):
        if opening["code"]:
            prose.phrases.setdefault(opening["cell"], {}).update(_phrases(path, number, block))
            continue
        key = (opening["cell"], opening["hash"])
        if key in prose.paragraphs:
            raise _unreadable(path, number, "this paragraph was translated above")
        if not "".join(block).strip():
            raise _unreadable(path, number, "the block is empty")
        prose.paragraphs[key] = "\n".join(block).strip("\n")
    return prose


def _blocks(path: Path, lines: Iterable[str]) -> list[tuple[int, re.Match[str], list[str]]]:
    found: list[tuple[int, re.Match[str], list[str]]] = []
    for number, line in enumerate(lines, start=1):
        if opening := _OPENING.match(line):
            found.append((number, opening, []))
        elif line.startswith("<!--"):
            raise _unreadable(path, number, "a block opens with `<!-- CELL HASH -->`")
        elif found:
            found[-1][2].append(line)
        elif line.strip():
            raise _unreadable(path, number, "this stands before the first block")
    return found


def _phrases(path: Path, number: int, block: list[str]) -> dict[str, str]:
    phrases = {}
    for offset, line in enumerate(block, start=1):
        if not line.strip():
            continue
        phrase = _PHRASE.match(line)
        if phrase is None:
            raise _unreadable(path, number + offset, "a phrase reads `- English => 中文`")
        phrases[phrase["source"]] = phrase["translation"]
    return phrases


def _unreadable(path: Path, number: int, reason: str) -> BadTranslation:
    return BadTranslation(
        "{path}, line {number}: {reason}.",
        do="courses/README.md describes that file.",
        path=path,
        number=number,
        reason=reason,
    )


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:57] + "..."
