"""What staff can start for a student, as choices of one form field.

A value is the user options themselves, as JSON: the spawner judges them as it judges the launch
page's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub_config.errors import BadInput
from hub_config.groups.rules import Person
from hub_config.offers.images import ImageNotBuilt, Images, load_images
from hub_config.offers.modules import Modules, load_modules
from hub_config.offers.sizes import load_sizes
from hub_config.portal.services import Services


class NothingToStart(BadInput):
    """The form names nothing that could be started."""

    code = "nothing_to_start"


@dataclass(frozen=True)
class Offer:
    """One line of the list: the title, whether with a GPU, and the options it stands for."""

    title: str
    gpus: int
    value: str


def offers(services: Services, person: Person, language: str) -> list[Offer]:
    """What `person` may start: modules, then environments, each with a GPU and without."""
    modules = load_modules(services.settings.path("modules"))
    modules = services.offers.seen_by(modules, person.groups)
    return [*_modules(modules, language), *_environments(_images(services), language)]


def sizes(services: Services, language: str) -> dict[str, str]:
    """The title of every named size by its id."""
    found = load_sizes(services.settings.path("offers", "sizes.yaml"))
    return {size.id: size.title.in_language(language) for size in found.all}


def options_of(text: str, size: str = "") -> dict[str, Any]:
    """The user options that a choice stands for; NothingToStart.

    A size says itself whether there are GPUs.
    """
    try:
        options = json.loads(text)
    except ValueError:
        options = None
    if not isinstance(options, dict) or not options:
        raise NothingToStart("Nothing was chosen to start.", do="Choose it from the list.")
    if not size:
        return options
    kept = {key: value for key, value in options.items() if key not in ("gpu", "gpus")}
    return {**kept, "size": size}


def _images(services: Services) -> Images:
    try:
        return load_images(services.settings.path("offers", "images.yaml"))
    except ImageNotBuilt:
        return Images([])


def _modules(modules: Modules, language: str) -> list[Offer]:
    found = []
    for module in modules:
        title = module.title_in(language)
        if module.gpus:
            found.append(_offer(title, module.gpus, {"module": module.id, "gpu": True}, language))
        if module.cpu_ok or not module.gpus:
            found.append(_offer(title, 0, {"module": module.id, "gpu": False}, language))
    return found


def _environments(images: Images, language: str) -> list[Offer]:
    found = []
    for image in images.offered:
        title = image.title.in_language(language)
        found.append(_offer(title, 0, {"image": image.id, "gpus": 0}, language))
        if image.torch is not None:
            found.append(_offer(title, 1, {"image": image.id, "gpus": 1}, language))
    return found


def _offer(title: str, gpus: int, options: Mapping[str, Any], language: str) -> Offer:
    value = json.dumps({**options, "language": language}, sort_keys=True)
    return Offer(title, gpus, value)
