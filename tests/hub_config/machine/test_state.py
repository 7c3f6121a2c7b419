"""Who owns what in the state folder."""

from __future__ import annotations

import os
import pwd
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub_config.machine import state
from hub_config.machine.state import StateMisplaced
from hub_config.settings import Settings

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture
def reachable() -> Iterator[Settings]:
    """Settings on a state folder that every user may enter, unlike pytest's."""
    with tempfile.TemporaryDirectory(prefix="radlab-state-") as folder:
        os.chmod(folder, 0o755)
        yield Settings(state=f"{folder}/state", system_user="nobody")


def facts(path: Path) -> tuple[str, str]:
    status = path.stat()
    return pwd.getpwuid(status.st_uid).pw_name, oct(stat.S_IMODE(status.st_mode))


def test_folders_and_secrets_get_their_owners(reachable: Settings) -> None:
    reachable.make_folders()
    reachable.path("radlab.sqlite").touch()
    reachable.save({"port": 8080})
    state.ensure_folders(reachable, pwd.getpwnam("nobody"))
    assert facts(reachable.path("secrets")) == ("nobody", "0o700")
    assert facts(reachable.path("secrets", "proxy_token")) == ("nobody", "0o600")
    assert facts(reachable.path("homes")) == ("nobody", "0o711")
    assert facts(reachable.path("radlab.sqlite")) == ("nobody", "0o640")
    assert facts(reachable.path("settings.yaml")) == ("root", "0o644")
    for name in ("log", "run", "datasets", "modules", "offers"):
        assert facts(reachable.path(name)) == ("root", "0o755")


def test_settings_with_a_databases_password_are_not_for_everybody(reachable: Settings) -> None:
    reachable.database_url = "postgresql://radlab:geheim@db/radlab"
    reachable.save({"database_url": reachable.database_url})
    state.ensure_folders(reachable, pwd.getpwnam("nobody"))
    assert facts(reachable.path("settings.yaml")) == ("root", "0o640")


def test_secrets_stay_as_they_are_the_second_time(reachable: Settings) -> None:
    state.ensure_folders(reachable, pwd.getpwnam("nobody"))
    before = reachable.secret("cookie_secret")
    state.ensure_folders(reachable, pwd.getpwnam("nobody"))
    assert reachable.secret("cookie_secret") == before


def test_links_in_the_system_users_folders_are_not_followed(
    reachable: Settings, tmp_path: Path
) -> None:
    nobody = pwd.getpwnam("nobody")
    state.ensure_folders(reachable, nobody)
    roots = tmp_path / "shadow"
    roots.write_text("of root alone")
    roots.chmod(0o600)
    reachable.path("secrets", "planted").symlink_to(roots)
    reachable.path("planted.sqlite").symlink_to(roots)
    reachable.path("secrets", "certificate.tmp").symlink_to(roots)
    reachable.path("settings.tmp").symlink_to(roots)
    source = tmp_path / "site.pem"
    source.write_text("key and chain")
    reachable.certificate = str(source)
    state.ensure_folders(reachable, nobody)
    state.copy_certificate(reachable, nobody)
    reachable.save({"port": 8080})
    assert (roots.read_text(), facts(roots)) == ("of root alone", ("root", "0o600"))


def test_a_state_folder_that_is_a_link_belongs_to_the_services(reachable: Settings) -> None:
    real = Path(reachable.state)
    real.mkdir()
    link = real.with_name("link")
    link.symlink_to(real)
    reachable.state = str(link)
    state.ensure_folders(reachable, pwd.getpwnam("nobody"))
    assert facts(real)[0] == "nobody"


def test_a_state_folder_that_services_cannot_enter_is_refused(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o700)
    with pytest.raises(StateMisplaced, match="only its owner may enter"):
        state.check_reachable(locked / "state")


def test_the_proxy_gets_a_certificate_of_its_own_and_loses_it_again(
    reachable: Settings, tmp_path: Path
) -> None:
    nobody = pwd.getpwnam("nobody")
    state.ensure_folders(reachable, nobody)
    source = tmp_path / "site.pem"
    source.write_text("key and chain")
    reachable.certificate = str(source)
    state.copy_certificate(reachable, nobody)
    copy = reachable.path("secrets", "certificate.pem")
    assert (copy.read_text(), facts(copy)) == ("key and chain", ("nobody", "0o600"))
    reachable.certificate = ""
    state.copy_certificate(reachable, nobody)
    assert not copy.exists()


def test_a_user_that_exists_is_not_made_again(reachable: Settings) -> None:
    said: list[str] = []
    reachable.engine = "tcp://127.0.0.1:1"
    assert state.ensure_user(reachable, said.append).pw_name == "nobody"
    assert said == []
