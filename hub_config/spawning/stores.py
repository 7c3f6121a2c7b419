"""What the spawner asks of ledger, groups and catalogs; synchronous, for threads only."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from sqlalchemy import Engine

from hub_config import clock
from hub_config.db import open_database
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.store import DeviceStore
from hub_config.groups.rules import class_groups
from hub_config.groups.store import GroupStore
from hub_config.offers.images import ImageNotBuilt, Images, load_images
from hub_config.offers.modules import Modules, load_modules
from hub_config.offers.sizes import BrokenSizes, Size, Sizes, load_sizes
from hub_config.queueing.store import QueueStore
from hub_config.settings import Settings
from hub_config.spawning import fitting, rules
from hub_config.spawning.launch import Launch, build_launch
from hub_config.spawning.reach import (
    Forecasts,
    devices_of,
    mine_of,
    reach_of,
    waiting_for_gpus,
)
from hub_config.teaching.store import OfferStore
from hub_config.usage.store import QuotaStore

log = logging.getLogger("jupyterhub")


class Stores:
    """The database and the catalogs of one RadLab."""

    def __init__(self, settings: Settings, engine: Engine | None = None) -> None:
        self.settings = settings
        engine = engine or open_database(settings.radlab_database_url)
        self.ledger = Ledger(engine)
        self.devices = DeviceStore(engine)
        self.groups = GroupStore(engine)
        self._images: tuple[tuple[int, int], Images] | None = None

    @cached_property
    def queue(self) -> QueueStore:
        """The queue, which remembers for a minute what it learnt of past sessions."""
        return QueueStore(self.ledger.engine, self.settings)

    @cached_property
    def forecasts(self) -> Forecasts:
        """What the launch page tells of the line."""
        return Forecasts(self.queue)

    def images(self) -> Images:
        """The images on offer now; none where no catalog was written yet."""
        path = self.settings.path("offers", "images.yaml")
        try:
            # A catalog is written anew in one step: another file, another time.
            facts = path.stat()
            version = (facts.st_mtime_ns, facts.st_ino)
            if self._images is None or self._images[0] != version:
                self._images = (version, load_images(path))
        except (FileNotFoundError, ImageNotBuilt):
            return Images([])
        return self._images[1]

    def modules(self, hub_groups: Iterable[str] | None = None) -> Modules:
        """The modules on offer now to somebody in those groups of the Hub; None: all."""
        modules = load_modules(self.settings.path("modules"))
        if hub_groups is None:
            return modules
        return OfferStore(self.ledger.engine).seen_by(modules, list(hub_groups))

    def sizes(self) -> Sizes:
        """The named sizes of this site."""
        return load_sizes(self.settings.path("offers", "sizes.yaml"))

    def launch(self, hub_groups: Iterable[str], username: str = "") -> Launch:
        """The launch page for `username`, who is in those groups of the Hub."""
        all_groups = {group.name: group for group in self.groups.all()}
        hub_groups = list(hub_groups)
        groups = class_groups(hub_groups, all_groups)
        modules, images, now = self.modules(hub_groups), self.images(), clock.now()
        rows, places = self.devices.all(), self.queue.open()
        engine = self.ledger.engine
        bounds = QuotaStore(engine).of(username, groups)
        mine = mine_of(engine, username, bounds, places, modules, images, now)
        return build_launch(
            modules,
            images,
            self._sizes_of_page(),
            devices_of(groups, all_groups, rows),
            reach_of(groups, all_groups, rows, now, bounds, mine.hours),
            self.forecasts.line(groups, now),
            waiting=waiting_for_gpus(places, groups, username),
            mine=mine,
        )

    def _sizes_of_page(self) -> Sizes:
        """The named sizes, none where their list is broken: labs start with their own numbers."""
        try:
            return self.sizes()
        except BrokenSizes as error:
            log.error("The launch page shows no sizes: %s", error)
            return Sizes([])

    def order(
        self, options: Mapping[str, Any], hub_groups: Iterable[str] | None = None
    ) -> rules.Order:
        """What these user options ask for; refuses what is not on offer, or cannot be.

        A size is looked at with the eyes of somebody in those groups of the Hub (None: of nobody
        in particular). Raises what `fitting.check` raises.
        """
        choice = rules.read_options(options)
        hub_groups = None if hub_groups is None else list(hub_groups)
        modules = self.modules(hub_groups) if choice.module is not None else Modules([])
        if choice.size is None:
            return self._ordered(choice, None, modules)
        sizes = self.sizes()
        order = self._ordered(choice, sizes.size(choice.size), modules)
        all_groups = {group.name: group for group in self.groups.all()}
        groups = None if hub_groups is None else class_groups(hub_groups, all_groups)
        rows = self.devices.all()
        fitting.check(order, sizes, reach_of(groups, all_groups, rows, clock.now()))
        return order

    def _ordered(self, choice: rules.Choice, size: Size | None, modules: Modules) -> rules.Order:
        images = self.images()
        if not len(images):
            raise rules.NothingOffered(
                "No image is on offer, so that nothing can be started.",
                do="Ask an administrator to run `./radlab up`, which builds the images.",
            )
        if choice.module is not None:
            module = modules.module(choice.module)
            return rules.order_module(choice, module, images.image(module.image), size)
        image = images.image(choice.image or "")
        if not image.offered:
            raise rules.NotOffered(
                "The image '{image}' is only started by course modules.",
                given=image.id,
                allowed=[each.id for each in images.offered],
                do="Choose a module, or another environment.",
                image=image.id,
            )
        return rules.order_image(choice, image, size)
