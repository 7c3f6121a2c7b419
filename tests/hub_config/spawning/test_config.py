"""JupyterHub's configuration follows the settings, and a site has the last word."""

from __future__ import annotations

from pathlib import Path

import pytest
from jupyterhub.orm import new_session_factory
from traitlets.config import Config, PyFileConfigLoader

import hub_config
from hub_config.errors import RadLabError
from hub_config.language import catalog
from hub_config.settings import Settings

FOLDER = Path(hub_config.__file__).parent


@pytest.fixture
def state(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in ("proxy_token", "cookie_secret", "portal_token"):
        settings.make_secret(name)
    monkeypatch.setenv("RADLAB_STATE", settings.state)
    return settings


def load() -> Config:
    return PyFileConfigLoader("jupyterhub_config.py", path=str(FOLDER)).load_config()


def test_the_hub_listens_on_the_students_network_and_containers_are_told_so(state):
    c = load()
    assert c.JupyterHub.hub_bind_url == "http://172.29.0.1:8081/hub/"
    assert c.JupyterHub.hub_connect_url == c.JupyterHub.hub_bind_url


def test_proxy_and_servers_outlive_the_hub(state):
    c = load()
    assert c.ConfigurableHTTPProxy.should_start is False
    assert c.JupyterHub.cleanup_servers is False
    assert c.JupyterHub.cleanup_proxy is False
    assert c.JupyterHub.shutdown_on_logout is False


def test_nobody_of_a_class_is_turned_away_for_starting_with_the_others(state):
    c = load()
    assert c.JupyterHub.concurrent_spawn_limit == 0
    assert c.JupyterHub.active_server_limit == 0


def test_a_certificate_makes_the_public_address_https(state, tmp_path):
    pem = tmp_path / "site.pem"
    pem.write_text("")
    state.save({"certificate": str(pem), "port": 8443})
    assert load().JupyterHub.bind_url == "https://0.0.0.0:8443/"


def test_only_our_proxy_and_the_sites_are_believed_about_addresses(state):
    state.save({"trusted_proxy": "10.1.2.3"})
    assert load().JupyterHub.trusted_downstream_ips == ["127.0.0.1", "172.29.0.1", "10.1.2.3"]


def test_a_sites_files_are_read_last_in_order_of_their_names(state):
    folder = state.path("config.d")
    folder.mkdir()
    (folder / "20_later.py").write_text("c.Spawner.http_timeout = c.Spawner.http_timeout * 2\n")
    (folder / "10_first.py").write_text("c.Spawner.http_timeout = 300\n")
    assert load().Spawner.http_timeout == 600


def test_a_sites_file_sees_the_settings(state):
    folder = state.path("config.d")
    folder.mkdir()
    (folder / "a.py").write_text("c.JupyterHub.template_vars['site'] = settings.instance\n")
    assert load().JupyterHub.template_vars["site"] == "radlab"


def test_a_missing_secret_is_named(state):
    state.path("secrets", "proxy_token").unlink()
    with pytest.raises(RadLabError, match="secrets/proxy_token"):
        load()


def test_commits_of_the_hubs_own_sqlite_do_not_wait_for_the_disk(state):
    c = load()
    engine = new_session_factory(c.JupyterHub.db_url, **c.JupyterHub.db_kwargs).kw["bind"]
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 1  # NORMAL
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    engine.dispose()


def test_a_site_with_postgresql_is_left_as_it_is(state):
    state.save({"hub_database_url": "postgresql://radlab@db/hub"})
    assert load().JupyterHub.db_kwargs == {}


def test_translations_are_read_before_anybody_asks_for_a_page(state):
    catalog.cache_clear()
    load()
    assert catalog.cache_info().currsize == 1


def test_waiting_is_no_failure_however_long_it_takes(state):
    c = load()
    assert c.Spawner.start_timeout >= 7 * 24 * 3600
    assert c.JupyterHub.tornado_settings["slow_spawn_timeout"] < 1
