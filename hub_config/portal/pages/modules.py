"""What a server runs, in the reader's words: a module's title, or the image's name."""

from __future__ import annotations

from collections.abc import Callable

from hub_config.gpus.model import Lease
from hub_config.offers.modules import load_modules
from hub_config.portal.services import Services

Titles = Callable[[Lease | None], str]


def module_titles(services: Services, language: str) -> Titles:
    """A function that names what a lease is for; reads the published modules."""
    modules = load_modules(services.settings.path("modules"))
    titles = {module.id: module.title_in(language) for module in modules}

    def title(lease: Lease | None) -> str:
        if lease is None:
            return ""
        # A module that was withdrawn while it runs still has its id.
        return titles.get(lease.module, lease.module) if lease.module else lease.image

    return title
