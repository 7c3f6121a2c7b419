"""The state folder's owner: the system user, the folders, who may read what.

Hub, proxy and portal run as the system user. The folder of secrets is its own alone; what root
writes (logs, locks of the supervisors, the keeper's socket, homes, datasets, modules) stays root's
and is readable. Nobody but root may use the Docker Engine: that would be the same as being root.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path

from sqlalchemy.engine import make_url

from hub_config.errors import NotAllowed, Unready
from hub_config.machine.apt import find_program
from hub_config.machine.progress import Say
from hub_config.settings import Settings

SECRETS = ("proxy_token", "cookie_secret", "portal_token", "invites.key")
_ROOT_FOLDERS = ("log", "run", "datasets", "modules", "offers")
CERTIFICATE = ("secrets", "certificate.pem")


class MustBeRoot(NotAllowed):
    """This changes the machine."""

    code = "must_be_root"


class StateMisplaced(Unready):
    """The state folder lies where the system user cannot reach it."""

    code = "state_misplaced"


def require_root(command: str) -> None:
    """MustBeRoot where this process is not root."""
    if os.geteuid() != 0:
        raise MustBeRoot(
            "`./radlab {command}` changes the machine and must be run as root.",
            do="Run: sudo ./radlab {command}",
            command=command,
        )


def ensure_user(settings: Settings, say: Say) -> pwd.struct_passwd:
    """The system user, made where missing, and kept from the engine's socket.

    Whoever may use that socket is root; an earlier version put the system user into its group.
    """
    name = settings.system_user
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        say(f"making the system user {name}")
        home = ["--home-dir", settings.state, "--no-create-home"]
        shell = ["--shell", "/usr/sbin/nologin"]
        _run(["useradd", "--system", "--user-group", *home, *shell, name])
        user = pwd.getpwnam(name)
    group = engine_group(settings, user)
    if group is not None:
        say(f"taking the system user {name} out of the group {group.gr_name}")
        _run(["gpasswd", "--delete", name, group.gr_name])
    return user


def engine_group(settings: Settings, user: pwd.struct_passwd) -> grp.struct_group | None:
    """The group by which that user may use the engine's socket; None where there is none."""
    if not settings.engine.startswith("unix://"):
        return None
    try:
        number = os.stat(settings.engine.removeprefix("unix://")).st_gid
    except OSError:
        return None
    if number not in os.getgrouplist(user.pw_name, user.pw_gid):
        return None
    return grp.getgrgid(number)


def ensure_folders(settings: Settings, user: pwd.struct_passwd) -> None:
    """Folders, secrets and databases with their owners; changes only what differs."""
    settings.make_folders()
    check_reachable(Path(settings.state))
    for name in SECRETS:
        settings.make_secret(name)
    root = pwd.getpwuid(0)
    # Root's, so that nobody moves away what is root's in it: homes are mounted into containers,
    # and the catalog of images says what is started. It may be a link of root's.
    _own(Path(settings.state).resolve(), root, 0o755)
    _own(settings.path("secrets"), user, 0o700)
    _own(settings.path("database"), user, 0o755)
    for path in settings.path("secrets").iterdir():
        _own(path, user, 0o600)
    for path in settings.path("database").glob("*.sqlite*"):
        _own(path, user, 0o640)
    for name in _ROOT_FOLDERS:
        _own(settings.path(name), root, 0o755)
    _own(settings.path("homes"), root, 0o711)
    source = settings.path("settings.yaml")
    if source.exists():
        _own_settings(source, settings, user)


def misplaced_databases(settings: Settings) -> list[Path]:
    """Databases where an earlier version had them, in the state folder, that are in no other.

    Each comes after its log: beside another database an older one's log would be taken for its own.
    """
    found = sorted(Path(settings.state).glob("*.sqlite*"), reverse=True)
    return [path for path in found if not path.is_symlink() and not _in_place(settings, path.name)]


def _in_place(settings: Settings, name: str) -> bool:
    """Whether the database that the file `name` belongs to is in its folder."""
    return settings.path("database", f"{name.partition('.sqlite')[0]}.sqlite").exists()


def move_databases(settings: Settings) -> None:
    """Bring them into their folder; only while no service runs."""
    for path in misplaced_databases(settings):
        path.rename(settings.path("database", path.name))


def _own_settings(path: Path, settings: Settings, user: pwd.struct_passwd) -> None:
    # A database's URL may hold its password; then only root and the services read the file.
    urls = filter(None, (settings.database_url, settings.hub_database_url))
    secret = any(make_url(url).password for url in urls)
    _give(path, 0, user.pw_gid, 0o640 if secret else 0o644)


def copy_certificate(settings: Settings, user: pwd.struct_passwd) -> None:
    """Give the proxy its own copy: certificates are root's, and the proxy is not root."""
    target = settings.path(*CERTIFICATE)
    if not settings.certificate:
        target.unlink(missing_ok=True)
        return
    draft = target.with_suffix(".tmp")
    # Made anew, never written through a link that the system user has put there.
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as copy:
        copy.write(Path(settings.certificate).read_bytes())
    _own(draft, user, 0o600)
    draft.replace(target)


def check_reachable(path: Path) -> None:
    """StateMisplaced where a folder above `path` keeps other users out."""
    for above in path.resolve().parents:
        if not above.stat().st_mode & stat.S_IXOTH:
            raise StateMisplaced(
                "{path} lies in {above}, which only its owner may enter; the services run as a "
                "user of their own.",
                given=str(path),
                do="Choose another folder in RADLAB_STATE, or: chmod o+x {above}",
                path=path,
                above=above,
            )


def free_gigabytes(path: Path) -> float:
    """Free disk, in 10^9 bytes, where `path` lies or will lie."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free / 1e9


def _own(path: Path, user: pwd.struct_passwd, mode: int) -> None:
    _give(path, user.pw_uid, user.pw_gid, mode)


def _give(path: Path, uid: int, gid: int, mode: int) -> None:
    """Set owner and mode of the file or folder itself; a link, or what is gone, is left alone.

    What is looked at and what is changed is one open file: in a folder of the system user's a
    name may become a link to anything of root's at any moment.
    """
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOENT, errno.ENXIO):
            return
        raise
    try:
        status = os.fstat(opened)
        if (status.st_uid, status.st_gid) != (uid, gid):
            os.fchown(opened, uid, gid)
        if stat.S_IMODE(status.st_mode) != mode:
            os.fchmod(opened, mode)
    finally:
        os.close(opened)


def _run(command: list[str]) -> None:
    command[0] = find_program(command[0]) or command[0]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Unready(
            "`{command}` failed: {reason}",
            do="Run it by hand, then `./radlab up` again.",
            command=" ".join(command),
            reason=done.stderr.strip(),
        )
