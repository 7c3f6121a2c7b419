"""The configuration of a real Hub without proxy or Docker, for the tests of its pages.

`python -m jupyterhub -f <this file>`; the environment names state folder, port and API token.
"""

import os

from jupyterhub.proxy import Proxy
from jupyterhub.spawner import SimpleLocalProcessSpawner

from hub_config.invites import TEMPLATES
from hub_config.invites.authenticator import RadlabAuthenticator
from hub_config.settings import load_settings
from hub_config.spawning import pages
from hub_config.spawning.stores import Stores

settings = load_settings()
stores = Stores(settings)
c = get_config()  # noqa: F821  # traitlets puts it here


class NoProxy(Proxy):
    """Routes that lead nowhere: the tests speak to the Hub itself."""

    should_start = False

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.routes: dict[str, dict[str, object]] = {}

    async def add_route(self, routespec: str, target: str, data: dict[str, object]) -> None:
        self.routes[routespec] = {"routespec": routespec, "target": target, "data": data}

    async def delete_route(self, routespec: str) -> None:
        self.routes.pop(routespec, None)

    async def get_all_routes(self) -> dict[str, dict[str, object]]:
        return self.routes


def launch(spawner):  # type: ignore[no-untyped-def]
    """The launch page of a site that offers nothing; no server is ever started here."""
    groups = [group.name for group in spawner.user.groups]
    return stores.launch(groups, spawner.user.name)


c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{os.environ['TEST_HUB_PORT']}/hub/"
c.JupyterHub.db_url = settings.jupyterhub_database_url
c.JupyterHub.cookie_secret = bytes.fromhex(settings.make_secret("cookie_secret"))
c.JupyterHub.proxy_class = NoProxy
c.JupyterHub.spawner_class = SimpleLocalProcessSpawner
c.Spawner.options_form = launch  # the real page, without anything on offer
c.JupyterHub.authenticator_class = RadlabAuthenticator
c.RadlabAuthenticator.attempts_per_account_and_address = 3
c.RadlabAuthenticator.attempts_per_account = 5
c.RadlabAuthenticator.attempts_per_address = 8
c.JupyterHub.template_paths = [str(pages.TEMPLATES), str(TEMPLATES)]
c.JupyterHub.template_vars = pages.template_vars(settings)
c.JupyterHub.default_url = pages.landing
c.JupyterHub.services = [{"name": "tests", "api_token": os.environ["TEST_HUB_TOKEN"]}]
c.JupyterHub.load_roles = [
    {"name": "tests", "services": ["tests"], "scopes": ["admin:users", "admin:groups", "tokens"]}
]
