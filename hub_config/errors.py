"""What RadLab says when it refuses: one small class a reason, each with a code and a status.

    RadLabError
    ├── BadInput     422  what was given cannot be right: a typo, a weak password, a bad name
    ├── NotAllowed   403  right, but not for this person
    ├── NotFound     404  no such group, image, module, dataset, code
    ├── Conflict     409  it exists already, or something holds it
    ├── Busy         409  nothing is free now; `do` says when
    ├── TooMany      429  too many attempts
    └── Unready      503  the machine lacks something: engine, disk, firewall, image

Each slice derives its own from these in its `rules.py`, with a `code` of its own. A message is a
template with its parameters kept apart, so that the same refusal reads in both languages.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any, ClassVar


class RadLabError(Exception):
    """A refusal: what is wrong, what was given, what is allowed, what to do next."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500

    def __init__(
        self,
        template: str,
        *,
        given: Any = None,
        allowed: Any = None,
        do: str | None = None,
        **params: Any,
    ) -> None:
        self.template = template
        self.params = params
        self.given = given
        self.allowed = allowed
        self.do_template = do
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """What is wrong, in English."""
        return self.template.format(**self.params)

    @property
    def do(self) -> str | None:
        """What to do next, in English."""
        return self.do_template.format(**self.params) if self.do_template else None

    def localised(self, gettext: Callable[[str], str]) -> str:
        """What is wrong and what to do, in the language of `gettext`."""
        parts = [self.template] + ([self.do_template] if self.do_template else [])
        params = {
            name: value.localised(gettext) if isinstance(value, Hint) else value
            for name, value in self.params.items()
        }
        return " ".join(gettext(part).format(**params) for part in parts)

    def as_dict(self) -> dict[str, Any]:
        """The one JSON shape of every refusal: `{"error": {code, message, given, allowed, do}}`."""
        return {
            "error": {
                "code": self.code,
                "message": self.message,
                "given": self.given,
                "allowed": self.allowed,
                "do": self.do,
            }
        }

    def __str__(self) -> str:
        return f"{self.message} {self.do}" if self.do_template else self.message


class BadInput(RadLabError):
    """What was given cannot be right."""

    code = "bad_input"
    status = 422


class NotAllowed(RadLabError):
    """Right, but not for this person."""

    code = "not_allowed"
    status = 403


class NotFound(RadLabError):
    """No such thing; the message names the nearest that exists."""

    code = "not_found"
    status = 404


class Conflict(RadLabError):
    """It exists already, or something holds it."""

    code = "conflict"
    status = 409


class Busy(RadLabError):
    """Nothing is free now."""

    code = "busy"
    status = 409


class TooMany(RadLabError):
    """Too many attempts in too short a time."""

    code = "too_many"
    status = 429


class Unready(RadLabError):
    """The machine lacks something that this needs."""

    code = "unready"
    status = 503


class Hint(str):
    """A suggestion within a message, which is translated with it; empty where there is none."""

    suggestion: str

    def __new__(cls, suggestion: str = "") -> Hint:
        """The English hint for the name `suggestion`."""
        made = super().__new__(cls, _HINT.format(name=suggestion) if suggestion else "")
        made.suggestion = suggestion
        return made

    def localised(self, gettext: Callable[[str], str]) -> str:
        """The hint in the language of `gettext`."""
        return gettext(_HINT).format(name=self.suggestion) if self.suggestion else ""


_HINT = " Did you mean '{name}'?"


def nearest(given: str, known: Iterable[str]) -> Hint:
    """` Did you mean 'x'?` for the known name nearest to `given`, or an empty hint."""
    by_fold = {name.casefold(): name for name in known}
    match = difflib.get_close_matches(given.casefold(), by_fold, n=1, cutoff=0.5)
    return Hint(by_fold[match[0]] if match else "")
