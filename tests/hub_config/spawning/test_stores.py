"""The catalog of images is read when it was written anew, not at each start."""

from __future__ import annotations

from pathlib import Path

import pytest
from spawning_support import MODULE, image, make_state

from hub_config import clock
from hub_config.gpus.inventory import find_devices
from hub_config.offers.images import Images, write_images
from hub_config.offers.modules import UnknownModule
from hub_config.spawning.line import Line
from hub_config.spawning.stores import Stores
from hub_config.teaching.store import OfferStore


def test_the_catalog_is_read_once_until_it_is_written_again(tmp_path: Path) -> None:
    settings = make_state(tmp_path / "s", "tiny:1")
    stores = Stores(settings)
    first = stores.images()
    assert stores.images() is first
    write_images(Images([image("tiny:2")]), settings.path("offers", "images.yaml"))
    assert stores.images().image("tiny").tag == "tiny:2"


def test_a_catalog_that_is_gone_offers_nothing(tmp_path: Path) -> None:
    settings = make_state(tmp_path / "s", "tiny:1")
    stores = Stores(settings)
    assert len(stores.images()) == 1
    settings.path("offers", "images.yaml").unlink()
    assert len(stores.images()) == 0


def test_a_lease_that_was_granted_is_started_though_its_card_drains(tmp_path: Path) -> None:
    stores = Stores(make_state(tmp_path / "s", "tiny:1", simulate_gpus="1x24"))
    stores.devices.record(find_devices(stores.settings), clock.now())
    stores.groups.create("radiology", by="test")
    stores.devices.assign("0", "radiology", by="test")
    line = Line(stores)
    options = {"module": MODULE["id"], "size": "gpu", "language": "en"}
    line.enter(options, "mei", "", ["radiology"], "mei")
    (place,) = stores.queue.dispatch(clock.now(), 1)
    stores.devices.drain("0", True, by="test")
    assert place.lease_id
    order, lease = line.granted(place, place.lease_id)
    assert (order.size, lease.gpu_count) == ("gpu", 1)


def test_a_module_is_launched_by_those_that_it_is_for(tmp_path: Path) -> None:
    stores = Stores(make_state(tmp_path / "s", "tiny:1"))
    stores.groups.create("radiology", by="test")
    offers, id, options = OfferStore(stores.ledger.engine), MODULE["id"], {"module": MODULE["id"]}
    assert [one.id for one in stores.launch([]).modules] == [id], "everyone, until it is said"
    offers.offer(id, ["radiology"], "test")
    assert [one.id for one in stores.launch(["radiology"]).modules] == [id]
    assert [one.id for one in stores.launch(["oncology"]).modules] == []
    assert stores.order(options, ["radiology"]).module.id == id
    with pytest.raises(UnknownModule):
        stores.order(options, ["oncology"])
    offers.withdraw(id, "test")
    for groups in (["radiology"], ["administrators"]):
        with pytest.raises(UnknownModule):
            stores.order(options, groups)
    assert stores.order(options).module.id == id, "what was granted still starts"
