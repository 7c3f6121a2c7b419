"""The catalog of images is read when it was written anew, not at each start."""

from __future__ import annotations

from pathlib import Path

from spawning_support import image, make_state

from hub_config.offers.images import Images, write_images
from hub_config.spawning.stores import Stores


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
