"""What a server runs, in the reader's words: a module's title, or the image's name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from hub_config.offers.modules import load_modules
from hub_config.portal.services import Services


class Asked(Protocol):
    """A lease, a request or a record: all say what runs."""

    @property
    def module(self) -> str | None:
        """The module's id."""

    @property
    def image(self) -> str:
        """The image's id."""


Titles = Callable[[Asked | str | None], str]


def module_titles(services: Services, language: str) -> Titles:
    """A function that names what a lease is for; reads the published modules."""
    modules = load_modules(services.settings.path("modules"))
    titles = {module.id: module.title_in(language) for module in modules}

    def title(what: Asked | str | None) -> str:
        if what is None:
            return ""
        task = what if isinstance(what, str) else what.module or what.image
        # A module that was withdrawn while it runs still has its id.
        return titles.get(task, task)

    return title
