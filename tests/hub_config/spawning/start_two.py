"""Two students start the same module on the RadLab of RADLAB_STATE; prints what each got as JSON.

A program of its own, because it has to stand in the network namespace of the tests' engine.
"""

from __future__ import annotations

import asyncio
import json

import docker
from engine_keeper import EngineKeeper
from hub_under_test import SmallHub

from hub_config.gpus.model import container_name
from hub_config.settings import load_settings

OPTIONS = {"module": "05_classification", "gpu": True}


async def main() -> None:
    settings = load_settings()
    keeper, hub = EngineKeeper(settings), SmallHub(settings)
    engine = docker.APIClient(settings.engine, version="auto")
    spawners = [hub.spawner(name, ("radiology",), **OPTIONS) for name in ("mei", "bo")]
    spawners.append(hub.spawner("ana", ("radiology",), image="tiny"))
    await asyncio.gather(*(spawner.start() for spawner in spawners))
    told = []
    for spawner in spawners:
        name = container_name(settings.instance, spawner.lease_id)
        facts = engine.inspect_container(name)
        told.append(
            {
                "lease": spawner.lease_id,
                "uuids": list(hub.stores.ledger.get(spawner.lease_id).device_uuids),
                "requests": facts["HostConfig"]["DeviceRequests"] or [],
            }
        )
    print(json.dumps(told))
    await asyncio.gather(*(spawner.stop(now=True) for spawner in spawners))
    keeper.close()


if __name__ == "__main__":
    asyncio.run(main())
