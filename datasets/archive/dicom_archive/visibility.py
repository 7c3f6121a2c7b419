"""Who sees which version: a folder of hard links a group, mounted read-only into its containers.

A version for everyone is linked into every folder under `visible/`, because a container sees one of
them; the group's own folder holds more only where a version was published for that group. A folder
is changed under `visible/.lock`, which the keeper takes as well. A version that was withdrawn keeps
its card and the reason, so that a notebook that names it is told why it cannot go on.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dicom_archive.errors import BadName
from dicom_archive.objects import link_tree, move_sealed, remove_tree, seal, sync
from dicom_catalog.catalog import CARD_NAME, WITHDRAWN_NAME

EVERYONE = "everyone"
_GROUP = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


@dataclass(frozen=True)
class Prepared:
    """A tree made under a temporary name, and the place to which it is renamed."""

    tree: Path
    final: Path


class Visible:
    """The folders that groups see."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only one who changes what is visible; waits for whoever does now."""
        if not self.root.is_dir():
            self.root.mkdir(parents=True)
            os.chmod(self.root, 0o755)  # students read it, whatever the umask
        flags = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(self.root / ".lock", flags, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            for left in self.root.glob(".new-*"):  # of a process that was killed
                remove_tree(left)
            yield
        finally:
            os.close(handle)

    def groups(self) -> list[str]:
        """Whose folders there are; `everyone` is the first."""
        if not self.root.is_dir():
            return []
        found = [p.name for p in self.root.iterdir() if p.is_dir() and not p.name.startswith(".")]
        return sorted(found, key=lambda name: (name != EVERYONE, name))

    def seen_by(self, name: str, version: str) -> list[str]:
        """The groups in whose folder that version lies; withdrawn ones count."""
        return [group for group in self.groups() if (self.root / group / name / version).is_dir()]

    def prepare(self, source: Path, name: str, version: str, to: Sequence[str]) -> list[Prepared]:
        """Link trees of `source`, one a folder that is to show it and does not yet.

        For `everyone` that is every folder. Hold the lock; give the result to `reveal` or `drop`.
        """
        wanted = [EVERYONE, *to, *self.groups()] if EVERYONE in to else list(to)
        made: list[Prepared] = []
        try:
            for group in dict.fromkeys(wanted):
                self._open(group)
                final = self.root / group / name / version
                if final.exists():
                    continue
                _make_open(final.parent)
                tree = self.root / f".new-{group}-{name}@{version}"
                made.append(Prepared(tree, final))
                link_tree(source, tree)
                seal(tree)
        except BaseException:
            self.drop(made)
            raise
        return made

    def _open(self, group: str) -> None:
        """A new group's folder begins with all that everyone sees."""
        folder = self.root / checked_group(group)
        if folder.is_dir():
            return
        draft = self.root / f".new-{group}"
        everyone = self.root / EVERYONE
        if group == EVERYONE or not everyone.is_dir():
            draft.mkdir()
        else:
            link_tree(everyone, draft)
            for place in draft.glob("*/*"):
                seal(place)
                os.chmod(place, 0o555)
        for inner in (draft, *draft.iterdir()):
            os.chmod(inner, 0o755)
        os.rename(draft, folder)

    def reveal(self, prepared: Sequence[Prepared]) -> None:
        """Rename prepared trees to their places: from now on they are seen."""
        for one in prepared:
            move_sealed(one.tree, one.final)

    def drop(self, prepared: Sequence[Prepared]) -> None:
        """Remove what was prepared and is not to be seen."""
        for one in prepared:
            remove_tree(one.tree)

    def withdraw(self, name: str, version: str, record: Path) -> None:
        """Leave the card and `record` of that version in every folder that shows it.

        The record is there before the first file goes: the client refuses from then on. Done again
        after a crash, it goes on. Hold the lock.
        """
        for group in self.seen_by(name, version):
            folder = self.root / group / name / version
            os.chmod(folder, 0o755)
            if not (folder / WITHDRAWN_NAME).exists():
                os.link(record, folder / WITHDRAWN_NAME)
                sync(folder)
            for path in list(folder.iterdir()):
                if path.is_dir():
                    remove_tree(path)
                elif path.name not in (CARD_NAME, WITHDRAWN_NAME):
                    path.unlink()
            os.chmod(folder, 0o555)


def checked_group(group: str) -> str:
    """`group` where it can be a group's name; BadName otherwise."""
    if not _GROUP.fullmatch(group):
        raise BadName(
            f"'{group}' cannot be a group's name. A version is shown to {EVERYONE} or to groups as "
            "./radlab group list names them."
        )
    return group


def _make_open(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir()
        os.chmod(folder, 0o755)
