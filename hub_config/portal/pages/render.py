"""How a page is made: one Jinja environment, the language of the browser, one message after a POST.

A POST that changed something answers with a redirect (`go`), so that a reload repeats nothing; its
message travels in a sealed cookie that the next page shows and clears. A code or a link that is
shown once is rendered by the POST itself, and never stored.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from hub_config import clock
from hub_config.errors import RadLabError
from hub_config.gpus.rules import Device, gpu_label
from hub_config.language import Gettext, translator
from hub_config.portal import PREFIX
from hub_config.portal.gate import Visit, language_of
from hub_config.portal.pages.tabs import tabs
from hub_config.portal.pages.words import N_
from hub_config.portal.sealing import BrokenSeal
from hub_config.queueing.model import Outlook
from hub_config.queueing.texts import template

__all__ = ["N_", "error_page", "go", "page"]

ASSETS = f"{PREFIX}/assets"
_MESSAGE_COOKIE = "radlab-portal-message"
# The portal's own pages, and the frame that they share with the Hub's.
_FOLDERS = [Path(__file__).parents[1] / "templates", Path(__file__).parents[2] / "templates"]


def _utc(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")


def _gigabytes(megabytes: int) -> str:
    return f"{megabytes / 1024:.0f} GB"


def _short(uuid: str) -> str:
    # A UUID of a real GPU has 40 characters; its first block tells any two of a machine apart.
    return uuid if len(uuid) <= 20 else uuid[:12] + "…"


def _minutes_from(until: datetime, now: datetime) -> int:
    # Rounded up: a session with half a minute left is not over.
    return max(0, -int((now - until).total_seconds() // 60))


def _gpu_name(device: Device) -> str:
    return gpu_label(device.model, device.memory_mb)


def _time(moment: datetime) -> Markup:
    return Markup('<time datetime="{}" data-radlab-time="time">{}</time>').format(
        clock.to_iso(moment), _utc(moment)
    )


def _why(outlook: Outlook, gettext: Gettext) -> Markup:
    """Why somebody waits, as they are told; times on the reader's own clock."""
    values = outlook.reason_values.items()
    shown = {k: _time(v) if isinstance(v, datetime) else v for k, v in values}
    return Markup(escape(gettext(template(outlook)))).format(**shown)


_environment = Environment(
    loader=FileSystemLoader(_FOLDERS),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters.update(
    iso=clock.to_iso,
    utc=_utc,
    gigabytes=_gigabytes,
    short=_short,
    gpu_name=_gpu_name,
    minutes_from=_minutes_from,
)
_environment.globals.update(tabs=tabs, why=_why)


def page(
    visit: Visit, template: str, *, status: int = 200, error: RadLabError | None = None, **more: Any
) -> HTMLResponse:
    """`template` for this visit; a refusal is shown at the form, with its own status."""
    gettext = visit.gettext
    message = visit.request.cookies.get(_MESSAGE_COOKIE)
    html = _environment.get_template(template).render(
        **_frame(visit.language, gettext, visit.services.settings.admin_contact),
        me=visit.person,
        xsrf=visit.xsrf,
        message=_message(visit, message, gettext) if message and not error else None,
        error=error.localised(gettext) if error else None,
        **more,
    )
    response = HTMLResponse(html, status_code=error.status if error else status)
    if message:
        response.delete_cookie(_MESSAGE_COOKIE, path=f"{PREFIX}/")
    return response


def error_page(request: Request, error: RadLabError) -> HTMLResponse:
    """A page of its own for a refusal that belongs to no form."""
    language = language_of(request)
    gettext = translator(language)
    contact = request.app.state.services.settings.admin_contact
    html = _environment.get_template("error.html").render(
        **_frame(language, gettext, contact),
        me=getattr(request.state, "person", None),
        xsrf="",
        status=error.status,
        error=error.localised(gettext),
    )
    return HTMLResponse(html, status_code=error.status)


def go(visit: Visit, path: str, message: str = "", **params: str) -> RedirectResponse:
    """Answer a change with the page to look at next, which says `message` (marked by N_)."""
    response = RedirectResponse(f"{PREFIX}/{path}", status_code=303)
    if message:
        response.set_cookie(
            _MESSAGE_COOKIE,
            visit.services.seals.seal({"message": message, "params": params}),
            max_age=60,
            path=f"{PREFIX}/",
            httponly=True,
            samesite="lax",
        )
    return response


def _message(visit: Visit, sealed: str, gettext: Gettext) -> str | None:
    try:
        kept = visit.services.seals.unseal(sealed)
    except BrokenSeal:
        return None
    return gettext(kept["message"]).format(**kept["params"])


def _frame(language: str, gettext: Gettext, contact: str) -> dict[str, Any]:
    return {
        "_": gettext,
        "language": language,
        "contact": contact,
        "assets": ASSETS,
        "root": PREFIX,
        "now": clock.now(),
    }
