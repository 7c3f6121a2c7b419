"""Configuration of a small Hub whose servers are no containers, for the session API alone.

A server is a lease and a token in a file; what answers for it is one HTTP server for all.
"""

import json
import os
from pathlib import Path

from jupyterhub.spawner import Spawner
from sqlalchemy import Engine
from traitlets import Unicode

from hub_config import clock
from hub_config.db import open_database
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.model import LeaseRequest
from hub_config.settings import Settings, load_settings
from hub_config.spawning.session_api import HANDLERS

FACTS = json.loads(os.environ["SESSION_HUB"])
SETTINGS = load_settings()
ENGINE = open_database(SETTINGS.radlab_database_url)


class SmallStores:
    """As much of the spawner's stores as the session API asks for."""

    settings: Settings = SETTINGS
    ledger = Ledger(ENGINE)
    engine: Engine = ENGINE


class LeaseAlone(Spawner):
    """Holds a lease while it runs, and writes its token down."""

    lease_id = Unicode()
    stores = SmallStores

    async def start(self):
        request = LeaseRequest(
            username=self.user.name,
            server_name=self.name,
            cpus=1,
            memory_mb=2048,
            minutes=60,
            image="base",
        )
        lease = self.stores.ledger.grant(request, clock.now())
        self.stores.ledger.started(lease.id, "c-1", clock.now())
        self.stores.ledger.ready(lease.id, clock.now())
        self.lease_id = lease.id
        told = {"token": self.api_token, "lease": lease.id}
        Path(FACTS["folder"], f"{self.user.name}.json").write_text(json.dumps(told))
        return "127.0.0.1", FACTS["answers"]

    async def stop(self, now=False):
        self.lease_id = ""

    async def poll(self):
        return None if self.lease_id else 0


c = get_config()  # noqa: F821  # traitlets puts it here
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.allow_all = True
c.JupyterHub.spawner_class = LeaseAlone
c.JupyterHub.extra_handlers = HANDLERS
c.JupyterHub.db_url = "sqlite://"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{FACTS['port']}/hub/"
c.JupyterHub.bind_url = f"http://127.0.0.1:{FACTS['public']}/"
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{FACTS['answers']}"
c.ConfigurableHTTPProxy.auth_token = "proxy"
c.JupyterHub.cleanup_servers = False
c.JupyterHub.services = [{"name": "test", "api_token": FACTS["service"]}]
c.JupyterHub.load_roles = [
    {"name": "test", "services": ["test"], "scopes": ["admin:users", "admin:servers", "tokens"]}
]
