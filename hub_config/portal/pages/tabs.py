"""The portal's tabs: which pages a person has, in the order of their work."""

from __future__ import annotations

from hub_config.groups.rules import Person
from hub_config.language import Gettext
from hub_config.portal.pages.words import N_

Tab = tuple[str, str, str]

_STUDENT = (
    ("overview", "/", N_("What you hold")),
    ("courses", "/courses", N_("My courses")),
    ("queue", "/queue", N_("Queue")),
    ("usage", "/usage", N_("My usage")),
)
_INSTRUCTOR = (
    ("overview", "/", N_("Overview")),
    ("courses", "/courses", N_("Courses")),
    ("servers", "/servers", N_("Servers")),
    ("queue", "/queue", N_("Queue")),
    ("quotas", "/quotas", N_("Quotas")),
    ("usage", "/usage", N_("Usage")),
    ("invites", "/invites", N_("Student codes")),
    ("audit", "/audit", N_("Audit")),
)
_ADMINISTRATOR = (
    *_INSTRUCTOR[:4],
    ("gpus", "/gpus", N_("GPUs")),
    ("groups", "/groups", N_("Groups")),
    ("people", "/people", N_("People")),
    ("invites", "/invites", N_("Invites")),
    *_INSTRUCTOR[4:6],
    _INSTRUCTOR[-1],
)


def tabs(person: Person, gettext: Gettext) -> list[Tab]:
    """Name, path and text of each tab that `person` has."""
    if person.is_administrator:
        own: tuple[Tab, ...] = _ADMINISTRATOR
    else:
        own = _INSTRUCTOR if person.is_instructor else _STUDENT
    return [(name, path, gettext(text)) for name, path, text in own]
