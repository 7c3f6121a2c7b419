"""Small calm cards between the cells: a line of colour at the left, words, nothing else.

Each is HTML with inline styles, and plain text for where no HTML is shown. In their words, `code`,
**bold** and *set apart* are written as in the prose; all else stands as it is.
"""

from __future__ import annotations

import html
import re

from IPython.display import HTML, display

COLOURS = {
    "right": ("#059669", "#ecfdf5", "✓"),
    "wrong": ("#d97706", "#fffbeb", "→"),
    "note": ("#2563eb", "#eff6ff", "i"),
    "plain": ("#94a3b8", "#f8fafc", ""),
}


_CODE = re.compile(r"`([^`\n]+)`")
# Not in `2**20 ... 2**20`: no letter or figure touches the stars from outside, no space from inside.
_BOLD = re.compile(r"(?<![A-Za-z0-9*)])\*\*(?=\S)([^*\n]+)(?<=\S)\*\*(?![A-Za-z0-9*])")
_APART = re.compile(r"(?<![A-Za-z0-9*)])\*(?=\S)([^*\n]+)(?<=\S)\*(?![A-Za-z0-9*])")
_CODE_STYLE = "background:#e2e8f0;border-radius:3px;padding:0 4px;font-family:monospace"


class Card(HTML):
    """One card; `str()` of it is its plain text."""

    def __init__(self, text: str, *, kind: str = "note", title: str = "", code: str = "") -> None:
        self.plain = "\n".join(part for part in (plain(title), plain(text), code) if part)
        super().__init__(card_html(text, kind=kind, title=title, code=code))

    def __repr__(self) -> str:
        return self.plain

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/html": str(self.data), "text/plain": self.plain}


def card_html(text: str, *, kind: str = "note", title: str = "", code: str = "") -> str:
    """The HTML of a card; text, title and code are escaped, line breaks kept."""
    colour, ground, sign = COLOURS[kind]
    parts = [_line(f"{sign} {title}".strip(), f"font-weight:600;color:{colour}")] if title else []
    if text:
        parts.append(_line(text, "color:#1e293b;white-space:pre-line"))
    if code:
        shown = html.escape(code)
        style = "margin-top:4px;font-family:monospace;color:#475569"
        parts.append(f'<div style="{style}">{shown}</div>')
    style = (
        f"border-left:4px solid {colour};background:{ground};padding:8px 14px;margin:4px 0;"
        "max-width:760px;border-radius:0 6px 6px 0;line-height:1.5;font-size:14px"
    )
    return f'<div style="{style}">{"".join(parts)}</div>'


def show(text: str, *, kind: str = "note", title: str = "", code: str = "") -> None:
    """Display a card below the running cell."""
    render(Card(text, kind=kind, title=title, code=code))


def render(thing: object) -> None:
    """Display anything below the running cell."""
    display(thing)


class Outcome:
    """Yes or no for code that asks; a cell that ends in it shows nothing more than the card."""

    def __init__(self, yes: bool) -> None:
        self._yes = yes

    def __bool__(self) -> bool:
        return self._yes

    def _ipython_display_(self) -> None:
        return None


def words(text: str) -> str:
    """The words of a card as HTML: escaped, then `code`, **bold** and *set apart*."""
    parts = _CODE.split(html.escape(text))
    # Every second part stood between backticks; stars in it are code.
    for place, part in enumerate(parts):
        if place % 2:
            parts[place] = f'<code style="{_CODE_STYLE}">{part}</code>'
        else:
            parts[place] = _APART.sub(r"<i>\1</i>", _BOLD.sub(r"<b>\1</b>", part))
    return "".join(parts)


def plain(text: str) -> str:
    """The same words without their marks, for where nothing can be set in bold."""
    parts = _CODE.split(text)
    parts[::2] = [_APART.sub(r"\1", _BOLD.sub(r"\1", part)) for part in parts[::2]]
    return "".join(parts)


def _line(text: str, style: str) -> str:
    return f'<div style="{style}">{words(text)}</div>'
