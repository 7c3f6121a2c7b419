"""What the spawner asks of ledger, groups and catalogs; synchronous, for threads only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine

from hub_config import clock
from hub_config.db import open_database
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.refusals import lease_over
from hub_config.gpus.rules import Ended, Lease
from hub_config.gpus.store import DeviceStore
from hub_config.groups.rules import class_groups
from hub_config.groups.store import GroupStore
from hub_config.network.walls import require_walls
from hub_config.offers.images import ImageNotBuilt, Images, load_images
from hub_config.offers.modules import Modules, load_modules
from hub_config.settings import Settings
from hub_config.spawning import rules
from hub_config.spawning.launch import Launch, build_launch, counts_wanted


@dataclass(frozen=True)
class Granted:
    """A lease, and whether its container may reach the internet."""

    lease: Lease
    internet: bool


class Stores:
    """The database and the catalogs of one RadLab."""

    def __init__(self, settings: Settings, engine: Engine | None = None) -> None:
        self.settings = settings
        engine = engine or open_database(settings.radlab_database_url)
        self.ledger = Ledger(engine)
        self.devices = DeviceStore(engine)
        self.groups = GroupStore(engine)

    def images(self) -> Images:
        """The images on offer now; none where no catalog was written yet."""
        try:
            return load_images(self.settings.path("offers", "images.yaml"))
        except ImageNotBuilt:
            return Images([])

    def modules(self) -> Modules:
        """The modules on offer now."""
        return load_modules(self.settings.path("modules"))

    def launch(self, hub_groups: Iterable[str]) -> Launch:
        """The launch page for somebody in those groups of the Hub."""
        groups = class_groups(hub_groups, self.groups.names())
        modules, now = self.modules(), clock.now()
        supply = {
            wanted: self.ledger.free_for(groups, now, wanted=wanted)
            for wanted in counts_wanted(modules)
        }
        return build_launch(modules, self.images(), self.devices.all(), groups, supply)

    def order(self, options: Mapping[str, Any]) -> rules.Order:
        """What these user options ask for; refuses what is not on offer."""
        choice = rules.read_options(options)
        images = self.images()
        if not len(images):
            raise rules.NothingOffered(
                "No image is on offer, so that nothing can be started.",
                do="Ask an administrator to run `./radlab up`, which builds the images.",
            )
        if choice.module is not None:
            module = self.modules().module(choice.module)
            return rules.order_module(choice, module, images.image(module.image))
        image = images.image(choice.image or "")
        if not image.offered:
            raise rules.NotOffered(
                "The image '{image}' is only started by course modules.",
                given=image.id,
                allowed=[each.id for each in images.offered],
                do="Choose a module, or another environment.",
                image=image.id,
            )
        return rules.order_image(choice, image)

    def grant(
        self, order: rules.Order, username: str, server_name: str, hub_groups: Iterable[str]
    ) -> Granted:
        """A lease for that order, while the walls around the students' networks stand.

        Raises WallsDown, and what `Ledger.grant` raises.
        """
        require_walls(self.settings)
        policies = {group.name: group.internet for group in self.groups.all()}
        groups = class_groups(hub_groups, policies)
        request = rules.lease_request(order, username, server_name, groups)
        lease = self.ledger.grant(request, clock.now())
        own = {name: policies[name] for name in groups}
        lender = lease.group if lease.devices else None
        return Granted(lease, rules.internet_allowed(lender, own))

    def require_active(self, lease_id: str) -> None:
        """Raise LeaseOver where the lease was released: nothing may start under it."""
        lease = self.ledger.get(lease_id)
        if not lease.active:
            raise lease_over(lease)

    def started(self, lease_id: str, container_id: str) -> Lease:
        """Note that the lease's container runs."""
        return self.ledger.started(lease_id, container_id, clock.now())

    def release(self, lease_id: str, why: Ended) -> Lease:
        """Free the lease, whose container is gone."""
        return self.ledger.release(lease_id, why, clock.now())
