"""One file a content, whatever the version: what two versions have in common lies on the disk once.

`objects/ab/<sha256>` holds each content under its hash, mode 0444; versions are folders of hard
links to them. A file is checked by its hash before another version gets it: damage does not spread.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path


class Objects:
    """The contents of all versions by their SHA-256."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, digest: str) -> Path:
        """Where the content with that SHA-256 lies, or would lie."""
        return self.root / digest[:2] / digest

    def place(self, data: bytes, digest: str, path: Path) -> None:
        """Put `data` at `path`: a link to its object where that is there and whole, else a file."""
        known = self.path(digest)
        if known.is_file() and file_hash(known) == digest:
            os.link(known, path)
        else:
            write_file(path, data)

    def share(self, tree: Path, hashes: Mapping[str, str]) -> None:
        """Make each file of `tree` (relative path: SHA-256) one with the object of its content."""
        for name, digest in hashes.items():
            path, known = tree / name, self.path(digest)
            known.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(path, known)
            except FileExistsError:
                if not path.samefile(known):
                    _merge(path, known, digest)

    def forget(self, tree: Path) -> None:
        """Remove `tree`, which was not published, and the objects that only it had."""
        digests = [file_hash(path) for path in files_in(tree) if path.stat().st_nlink > 1]
        remove_tree(tree)
        for digest in digests:
            known = self.path(digest)
            if known.is_file() and known.stat().st_nlink == 1:
                known.unlink()


def _merge(path: Path, known: Path, digest: str) -> None:
    """One file of two with the same hash; a damaged object gives way to the file just written."""
    whole = file_hash(known) == digest
    kept, replaced = (known, path) if whole else (path, known)
    draft = replaced.with_name(replaced.name + ".new")
    draft.unlink(missing_ok=True)
    os.link(kept, draft)
    os.replace(draft, replaced)


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return bytes_hash_of(file.fileno())


def bytes_hash_of(descriptor: int) -> str:
    """SHA-256 of what is read from an open file to its end."""
    total = sha256()
    while block := os.read(descriptor, 1 << 20):
        total.update(block)
    return total.hexdigest()


def write_file(path: Path, data: bytes) -> None:
    """Write a new file that nobody may write again and all may read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fchmod(descriptor, 0o444)  # students read it, whatever the umask
    finally:
        os.close(descriptor)


def files_in(tree: Path) -> Iterator[Path]:
    """Every file under `tree`, in the order of the disk."""
    for inner, _, names in os.walk(tree):
        for name in names:
            yield Path(inner, name)


def link_tree(source: Path, target: Path) -> None:
    """Make `target` a folder of hard links to all files of `source`."""
    target.mkdir()
    for inner, folders, names in os.walk(source):
        here = target / Path(inner).relative_to(source)
        for folder in folders:
            (here / folder).mkdir()
        for name in names:
            os.link(Path(inner, name), here / name)


def seal(tree: Path) -> None:
    """Folders of `tree` 0555 but the topmost: what may not be written may not be renamed."""
    for inner, folders, _ in os.walk(tree):
        os.chmod(inner, 0o755)
        for folder in folders:
            os.chmod(Path(inner, folder), 0o755)
    for inner, _, _ in os.walk(tree, topdown=False):
        if Path(inner) != tree:
            os.chmod(inner, 0o555)


def move_sealed(tree: Path, final: Path) -> None:
    """Rename a sealed tree to its place, and seal its topmost folder, too."""
    os.rename(tree, final)
    os.chmod(final, 0o555)
    sync(final.parent)


def remove_tree(tree: Path) -> None:
    """Remove `tree`, sealed or not; nothing happens where it is not there."""
    if not tree.exists():
        return
    for inner, _, _ in os.walk(tree):
        os.chmod(inner, 0o755)
    for inner, folders, names in os.walk(tree, topdown=False):
        for name in names:
            os.unlink(Path(inner, name))
        for folder in folders:
            os.rmdir(Path(inner, folder))
    os.rmdir(tree)


def sync_disk(folder: Path) -> None:
    """Have the disk of `folder` keep all that was written there: one call for any number of files.

    fsync of each of thousands of files and folders waits for the disk each time, and takes minutes.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syncfs(handle):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(handle)


def sync(path: Path) -> None:
    """Have the disk keep a file, or what a folder names."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
