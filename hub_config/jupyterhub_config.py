"""JupyterHub's configuration: wiring only. `python -m jupyterhub -f <this file>` starts the Hub.

Everything comes from RadLab's settings (RADLAB_STATE names the state folder). What a site adds
stands in `config.d/*.py` of the state folder and is read last, in order of its names: it sees `c`
as it stands here, and `settings`.
"""

from hub_config.invites import TEMPLATES as INVITES_TEMPLATES
from hub_config.invites.authenticator import RadlabAuthenticator
from hub_config.language import LANGUAGES, translator
from hub_config.settings import load_settings
from hub_config.spawning import pages, place_api, roles, session_api
from hub_config.spawning.hub_database import connection_arguments
from hub_config.spawning.spawner import LeaseSpawner

settings = load_settings()
c = get_config()  # type: ignore[name-defined]  # noqa: F821  # traitlets puts it here

# Addresses. The proxy is started apart from the Hub, and outlives it.
scheme = "https" if settings.certificate else "http"
c.JupyterHub.bind_url = f"{scheme}://{settings.listen}:{settings.port}/"
c.JupyterHub.public_url = settings.public_url
c.JupyterHub.hub_bind_url = f"http://{settings.hub_address}:{settings.hub_port}/hub/"
c.JupyterHub.hub_connect_url = f"http://{settings.hub_address}:{settings.hub_port}/hub/"
c.JupyterHub.trusted_downstream_ips = [
    address for address in ("127.0.0.1", settings.hub_address, settings.trusted_proxy) if address
]
c.JupyterHub.proxy_class = "configurable-http-proxy"
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{settings.proxy_api_port}"
c.ConfigurableHTTPProxy.auth_token = settings.secret("proxy_token")
c.JupyterHub.cleanup_servers = False
c.JupyterHub.cleanup_proxy = False

# What it keeps, and its keys.
c.JupyterHub.db_url = settings.jupyterhub_database_url
c.JupyterHub.db_kwargs = connection_arguments(settings.jupyterhub_database_url)
c.JupyterHub.upgrade_db = True
c.JupyterHub.cookie_secret = bytes.fromhex(settings.secret("cookie_secret"))

# Who comes in, and what they may do.
c.JupyterHub.authenticator_class = RadlabAuthenticator
c.JupyterHub.custom_scopes = roles.custom_scopes()
c.JupyterHub.load_roles = roles.roles()
c.JupyterHub.extra_user_scopes = roles.user_scopes()
c.JupyterHub.services = [
    roles.portal_service(
        f"http://127.0.0.1:{settings.portal_port}", settings.secret("portal_token")
    )
]

# What they start. Nobody is answered 429 for coming with the rest of the class: a start waits.
# However long it waits, it is no failure: what hangs is ended by the keeper, which knows why.
c.JupyterHub.spawner_class = LeaseSpawner
c.JupyterHub.allow_named_servers = False
c.JupyterHub.concurrent_spawn_limit = 0
c.JupyterHub.active_server_limit = 0
c.JupyterHub.shutdown_on_logout = False
c.Spawner.start_timeout = 30 * 24 * 3600
c.Spawner.http_timeout = 120
c.Spawner.poll_interval = 20
c.JupyterHub.extra_handlers = [*place_api.HANDLERS, *session_api.HANDLERS]

# What they see. Translations are read before anybody asks: that takes longer than an event may.
for language in LANGUAGES:
    translator(language)
c.JupyterHub.template_paths = [str(pages.TEMPLATES), str(INVITES_TEMPLATES)]
c.JupyterHub.template_vars = pages.template_vars(settings)
c.JupyterHub.default_url = pages.landing
c.JupyterHub.logo_file = str(pages.ASSETS / "logo.svg")
c.JupyterHub.tornado_settings = {
    "headers": {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"},
    # A refusal comes within this time and is shown on the launch page, with its status; who waits
    # longer than that sees the page of their place.
    "slow_spawn_timeout": 0.5,
}

for path in sorted(settings.path("config.d").glob("*.py")):
    exec(compile(path.read_text(), path, "exec"), {"c": c, "settings": settings})
