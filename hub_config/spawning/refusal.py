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
from hub_config.errors import RadLabError
from hub_config.gpus.rules import NoFreeGpu
from hub_config.spawning.pages import page_gettext


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


def as_html(error: RadLabError, gettext: Callable[[str], str]) -> Markup:
    """The refusal as HTML, with times that the browser shows in its own zone."""
    if isinstance(error, NoFreeGpu):
        text = Markup(
            escape(
                gettext(
                    "All GPUs of your groups are in use. The next one is free at about {time}. "
                    "Try again then, or start without a GPU now."
                )
            )
        )
        return text.format(time=as_time(error.next_free_at))
    return escape(error.localised(gettext))


def as_time(moment: datetime) -> Markup:
    """A moment as an element that `radlab.js` shows in the browser's own zone."""
    return Markup('<time datetime="{}" data-radlab-time="time">{} UTC</time>').format(
        clock.to_iso(moment), moment.strftime("%H:%M")
    )
