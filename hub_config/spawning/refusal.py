"""A refusal of ours in the form that the Hub shows and logs without a traceback."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from jinja2 import pass_context
from jinja2.runtime import Context
from jupyterhub.spawner import SpawnException
from markupsafe import Markup, escape

from hub_config import clock
from hub_config.errors import Conflict, Hint, RadLabError
from hub_config.queueing.model import Place, State
from hub_config.spawning.pages import page_gettext


class PlaceEnded(Conflict):
    """The place in line was closed before there was a server: somebody left it, or it failed."""

    code = "place_ended"


class Refused(SpawnException):  # type: ignore[misc]  # JupyterHub has no types
    """`error` in the language of the person who asked; pages may say it again in another."""

    def __init__(self, error: RadLabError, gettext: Callable[[str], str]) -> None:
        self.error = error
        message = error.localised(gettext)
        super().__init__(
            message,
            reason=error.code,
            log_message=str(error),
            message_html=str(as_html(error, gettext)),
            status_code=error.status,
        )
        # The Hub's pages and its progress bar look for these two.
        self.jupyterhub_message = message
        self.jupyterhub_html_message = self.message_html

    @pass_context
    def html(self, context: Context) -> Markup:
        """The refusal as HTML in the language of the page that shows it; for templates."""
        return as_html(self.error, partial(page_gettext, context))


def place_ended(place: Place) -> PlaceEnded:
    """`place` is closed, and has no server."""
    if place.state is State.FAILED:
        return PlaceEnded(
            "Your server could not be started, also when it was tried again.",
            given=place.id,
            do="Choose it once more; if it stays so, tell an administrator.",
        )
    if place.why not in (None, place.username):
        return PlaceEnded(
            "An administrator or instructor took you out of the line.",
            given=place.id,
            do="Ask them why, or choose something else to start.",
        )
    return PlaceEnded(
        "This place in line was given up.",
        given=place.id,
        do="Choose what to start whenever you like.",
    )


def place_gone(place_id: str) -> PlaceEnded:
    """No place has that id any more, as after a database was put back from a backup."""
    return PlaceEnded(
        "This place in line is gone: the line is an earlier one again.",
        given=place_id,
        do="Choose what to start whenever you like.",
    )


def as_html(error: RadLabError, gettext: Callable[[str], str]) -> Markup:
    """The refusal as HTML, with its moments as the browser's own clock shows them."""
    templates = [error.template, *([error.do_template] if error.do_template else [])]
    values = {name: _shown(value, gettext) for name, value in error.params.items()}
    return Markup(" ").join(
        Markup(escape(gettext(template))).format(**values)  # escaped just before
        for template in templates
    )


def as_time(moment: datetime) -> Markup:
    """A moment as an element that `radlab.js` shows in the browser's own zone."""
    return Markup('<time datetime="{}" data-radlab-time="time">{} UTC</time>').format(
        clock.to_iso(moment), moment.strftime("%H:%M")
    )


def _shown(value: object, gettext: Callable[[str], str]) -> object:
    if isinstance(value, datetime):
        return as_time(value)
    return value.localised(gettext) if isinstance(value, Hint) else value
