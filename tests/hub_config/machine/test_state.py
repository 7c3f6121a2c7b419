"""Who owns what in the state folder."""

from __future__ import annotations

import grp
import os
import pwd
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub_config.gpus.model import Device
from hub_config.machine import checks_after, state
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
    reachable.database_file.touch()
    reachable.save({"port": 8080})
    state.ensure_folders(reachable, pwd.getpwnam("nobody"))
    assert facts(reachable.path("secrets")) == ("nobody", "0o700")
    assert facts(reachable.path("secrets", "proxy_token")) == ("nobody", "0o600")
    assert facts(reachable.path("homes")) == ("root", "0o711")
    assert facts(reachable.database_file) == ("nobody", "0o640")
    assert facts(reachable.path("settings.yaml")) == ("root", "0o644")
    assert facts(Path(reachable.state)) == ("root", "0o755")
    assert facts(reachable.path("database")) == ("nobody", "0o755")
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
    reachable.path("database", "planted.sqlite").symlink_to(roots)
    reachable.path("secrets", "certificate.tmp").symlink_to(roots)
    reachable.path("settings.tmp").symlink_to(roots)
    source = tmp_path / "site.pem"
    source.write_text("key and chain")
    reachable.certificate = str(source)
    state.ensure_folders(reachable, nobody)
    state.copy_certificate(reachable, nobody)
    reachable.save({"port": 8080})
    assert (roots.read_text(), facts(roots)) == ("of root alone", ("root", "0o600"))


def test_a_state_folder_that_is_a_link_is_roots_too(reachable: Settings) -> None:
    real = Path(reachable.state)
    real.mkdir()
    link = real.with_name("link")
    link.symlink_to(real)
    reachable.state = str(link)
    state.ensure_folders(reachable, pwd.getpwnam("nobody"))
    assert facts(real) == ("root", "0o755")


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


def test_databases_of_an_earlier_version_are_brought_into_their_folder(
    reachable: Settings, tmp_path: Path
) -> None:
    reachable.make_folders()
    for name in ("radlab.sqlite", "radlab.sqlite-wal", "jupyterhub.sqlite"):
        reachable.path(name).write_text(name)
    reachable.path("planted.sqlite").symlink_to(tmp_path)
    state.move_databases(reachable)
    assert reachable.database_file.read_text() == "radlab.sqlite"
    assert reachable.path("database", "radlab.sqlite-wal").read_text() == "radlab.sqlite-wal"
    assert reachable.path("database", "jupyterhub.sqlite").exists()
    assert state.misplaced_databases(reachable) == []
    assert not reachable.path("database", "planted.sqlite").exists()


def test_a_database_that_is_in_its_place_is_not_replaced_by_an_older_one(
    reachable: Settings,
) -> None:
    reachable.make_folders()
    reachable.path("radlab.sqlite").write_text("old")
    reachable.path("radlab.sqlite-wal").write_text("of the old")
    reachable.database_file.write_text("new")
    assert state.misplaced_databases(reachable) == []
    state.move_databases(reachable)
    assert reachable.database_file.read_text() == "new"
    assert not reachable.path("database", "radlab.sqlite-wal").exists()


def test_a_move_that_was_cut_short_is_ended_by_the_next(
    reachable: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    reachable.make_folders()
    for name in ("radlab.sqlite", "radlab.sqlite-wal"):
        reachable.path(name).write_text(name)
    rename = Path.rename

    def once(path: Path, target: Path) -> None:
        rename(path, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", once)
    with pytest.raises(KeyboardInterrupt):
        state.move_databases(reachable)
    monkeypatch.undo()
    state.move_databases(reachable)
    for name in ("radlab.sqlite", "radlab.sqlite-wal"):
        assert reachable.path("database", name).read_text() == name


def test_the_doctor_makes_no_database(reachable: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    card = Device("GPU-1", 0, "NVIDIA L4", 23034)
    monkeypatch.setattr(checks_after, "find_devices", lambda settings: [card])
    monkeypatch.setattr(checks_after.apt, "find_program", lambda name: name)
    assert "not recorded yet" in checks_after.gpus(reachable).finding
    assert not checks_after.database(reachable).ok
    assert not reachable.database_file.exists()


@pytest.fixture
def in_the_engines_group(reachable: Settings) -> Iterator[str]:
    """A user of this test's own, in the group of a socket that stands for the engine's."""
    name = f"rlt{os.getpid()}"
    subprocess.run(["useradd", "--system", "--user-group", name], check=True)
    subprocess.run(["groupadd", f"{name}d"], check=True)
    subprocess.run(["usermod", "--append", "--groups", f"{name}d", name], check=True)
    reachable.system_user = name
    yield f"{name}d"
    subprocess.run(["userdel", name], check=True)
    subprocess.run(["groupdel", f"{name}d"], check=True)


def test_the_system_user_is_taken_out_of_the_engines_group(
    reachable: Settings, in_the_engines_group: str, tmp_path: Path
) -> None:
    address = tmp_path / "docker.sock"
    address.touch(mode=0o660)
    os.chown(address, 0, grp.getgrnam(in_the_engines_group).gr_gid)
    reachable.engine = f"unix://{address}"
    found = checks_after.engine_rights(reachable)
    assert not found.ok and "is thereby root" in found.finding
    said: list[str] = []
    user = state.ensure_user(reachable, said.append)
    (line,) = said
    assert in_the_engines_group in line and user.pw_name in line
    assert state.engine_group(reachable, user) is None
    assert checks_after.engine_rights(reachable).ok
    state.ensure_user(reachable, said.append)
    assert len(said) == 1
    address.chmod(0o666)
    assert "everybody may use" in checks_after.engine_rights(reachable).finding
