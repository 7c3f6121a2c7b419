"""The language and the shared values of the Hub's pages, given to its templates.

JupyterHub calls template variables with the user alone, while a language belongs to a request:
its cookie and Accept-Language. The handler is found through the template's context, where
`static_url` is a method bound to it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context
from tornado.web import RequestHandler

from hub_config.groups.rules import person_of
from hub_config.language import COOKIE, negotiate, translator
from hub_config.settings import Settings

TEMPLATES = Path(__file__).parents[1] / "templates"
ASSETS = Path(__file__).parents[1] / "assets"
_PORTAL = "/services/radlab/"


def language_of(handler: RequestHandler | None) -> str:
    """The language of a request; English where there is none."""
    if handler is None:
        return "en"
    return negotiate(handler.get_cookie(COOKIE), handler.request.headers.get("Accept-Language"))


def gettext_of(handler: RequestHandler | None) -> Callable[[str], str]:
    """The function that turns an English message into the language of a request."""
    return translator(language_of(handler))


@pass_context
def page_language(context: Context) -> str:
    """The language of the page being rendered, for templates."""
    return language_of(_handler(context))


@pass_context
def page_gettext(context: Context, message: str) -> str:
    """`_` of templates."""
    return gettext_of(_handler(context))(message)


def template_vars(settings: Settings) -> dict[str, Any]:
    """What `JupyterHub.template_vars` is set to."""
    return {
        "_": lambda _user: page_gettext,
        "radlab_language": lambda _user: page_language,
        "radlab_contact": settings.admin_contact,
    }


def landing(handler: Any) -> str:
    """Where a login leads: staff with nothing running to the portal, others as JupyterHub says."""
    user = handler.current_user
    if user is None or user.active:
        return ""
    person = person_of(user.name, (group.name for group in user.groups))
    return _PORTAL if person.is_administrator or person.is_instructor else ""


def _handler(context: Context) -> RequestHandler | None:
    owner = getattr(context.get("static_url"), "__self__", None)
    return owner if isinstance(owner, RequestHandler) else None
