"""What can stand against a container, and how a refusal crosses the keeper's socket.

A refusal is sent whole: its code, and its template with the parameters apart, so that the client
raises the same class again and a page says it in the reader's language.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from hub_config.errors import BadInput, Conflict, Hint, RadLabError, Unready

_HINT_KEY = "hint_for"


class KeeperAway(Unready):
    """The keeper does not answer on its socket."""

    code = "keeper_away"


class EngineTrouble(Unready):
    """The Docker Engine refused or did not answer."""

    code = "engine_trouble"


class LabEnded(Unready):
    """The container ended before anything in it answered."""

    code = "lab_ended"


class StartStopped(Conflict):
    """A start was ended because its server is to be stopped."""

    code = "start_stopped"


class BadOrder(BadInput):
    """The keeper was asked for something that is not in its schema."""

    code = "bad_order"


class KeeperFault(RadLabError):
    """The keeper failed in a way that it does not know."""

    code = "keeper_fault"


class LabSilent(Unready):
    """The container runs, and nothing in it answers."""

    code = "lab_silent"


class ImageMissing(Unready):
    """The image is in the catalog and was not built on this server."""

    code = "image_missing"


class HomeTrouble(Unready):
    """The home's folder or volume cannot be made."""

    code = "home_trouble"


def sent(error: RadLabError) -> dict[str, Any]:
    """A refusal as the keeper answers it: `as_dict()`, and what is needed to raise it again."""
    answer = {
        **error.as_dict(),
        "template": error.template,
        "do_template": error.do_template,
        "params": {name: _param_sent(value) for name, value in error.params.items()},
    }
    # What was given may be anything: a path, a set, a moment.
    return dict(json.loads(json.dumps(answer, default=str)))


def received(answer: Mapping[str, Any], status: int) -> RadLabError:
    """The refusal that `sent` sent with that status, of its own class where that is known here."""
    said = answer["error"]
    params = {name: _param_received(value) for name, value in answer["params"].items()}
    kind = _kinds().get(said["code"], RadLabError)
    error = kind(
        answer["template"],
        given=said["given"],
        allowed=said["allowed"],
        do=answer["do_template"],
        **params,
    )
    # Of a class that is not loaded here the code and the status are kept all the same.
    vars(error).update(code=said["code"], status=status)
    return error


def _kinds() -> dict[str, type[RadLabError]]:
    """Every refusal of this process that is made like its base class, by its code."""
    return {
        kind.code: kind for kind in _below(RadLabError) if kind.__init__ is RadLabError.__init__
    }


def _below(kind: type[RadLabError]) -> Iterator[type[RadLabError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _below(each)


def _param_sent(value: Any) -> Any:
    if isinstance(value, Hint):
        return {_HINT_KEY: getattr(value, "suggestion", "")}
    return value if isinstance(value, int | float | str | None) else str(value)


def _param_received(value: Any) -> Any:
    return Hint(value[_HINT_KEY]) if isinstance(value, dict) else value
