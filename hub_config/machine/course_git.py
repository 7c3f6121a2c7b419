"""A module's source from a Git address: cloned shallowly into a folder that goes away again.

`https://host/path.git#folder` names a folder inside; `--ref` a branch or tag. The address comes
from a person, and what it holds from anyone: no hook runs, no submodule and no large-file filter is
fetched, no other protocol than https, ssh and file is spoken, nothing asks for a password, and
what is too large is refused before it is written out, and links when the module is read.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hub_config.errors import BadInput
from hub_config.offers.modules import METADATA

SECONDS = 120
MOST_BYTES = 200_000_000
_ADDRESS = re.compile(r"^(https://|ssh://|file://|[\w.-]+@[\w.-]+:)\S+$")
_REF = re.compile(r"^[\w][\w./-]*$")
# Each as `-c`: a clone runs nothing that it brought along.
_SAFE = (
    "protocol.allow=never",
    "protocol.https.allow=always",
    "protocol.ssh.allow=always",
    "protocol.file.allow=always",
    "core.hooksPath=/dev/null",
    "core.symlinks=false",
    "submodule.recurse=false",
    "filter.lfs.smudge=",
    "filter.lfs.process=",
    "filter.lfs.required=false",
    "http.followRedirects=initial",
)


class CannotClone(BadInput):
    """A Git address gives no module."""

    code = "cannot_clone"


@dataclass(frozen=True)
class Clone:
    """A module's folder in a clone, with the address and the commit that it is of."""

    folder: Path
    address: str
    commit: str


def is_address(word: str) -> bool:
    """True where `word` is a Git address rather than a folder or an id."""
    return bool(_ADDRESS.match(word))


@contextlib.contextmanager
def cloned(word: str, ref: str | None = None) -> Iterator[Clone]:
    """The module of a Git address, for as long as it is being read."""
    address, _, inside = word.partition("#")
    if ref is not None and not _REF.match(ref):
        raise _refused(word, f"'{ref}' is no name of a branch or tag")
    work = Path(tempfile.mkdtemp(prefix="radlab-git-"))
    try:
        tree = work / "tree"
        command = ["clone", "--quiet", "--depth=1", "--no-tags", "--single-branch", "--no-checkout"]
        _git(word, [*command, *(["--branch", ref] if ref else []), "--", address, str(tree)], work)
        # A few packed bytes may be many when they are written out: asked before.
        size = _size(_git(word, ["-C", str(tree), "ls-tree", "-r", "-l", "HEAD"], work))
        if size > MOST_BYTES:
            raise _refused(word, f"it has {size:,} bytes; {MOST_BYTES:,} are allowed")
        _git(word, ["-C", str(tree), "checkout", "--quiet", "HEAD"], work)
        commit = _git(word, ["-C", str(tree), "rev-parse", "HEAD"], work).strip()
        yield Clone(_module_folder(word, tree, inside), address, commit)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _size(listing: str) -> int:
    """Bytes of all files in what `git ls-tree -r -l` says: mode, kind, object, size, path."""
    sizes = (line.split(maxsplit=4)[3] for line in listing.splitlines())
    return sum(int(size) for size in sizes if size != "-")


def _module_folder(word: str, tree: Path, inside: str) -> Path:
    folder = (tree / inside).resolve()
    if not folder.is_relative_to(tree.resolve()):
        raise _refused(word, f"'{inside}' leads out of it")
    if (folder / METADATA).is_file():
        return _named(folder, work=tree.parent)
    found = [str(path.parent.relative_to(tree)) for path in sorted(tree.rglob(METADATA))]
    hint = f"; name one of them: {', '.join(f'{word}#{name}' for name in found)}" if found else ""
    raise _refused(word, f"there is no {METADATA} in {inside or 'its top folder'}{hint}")


def _named(folder: Path, work: Path) -> Path:
    """A folder that bears the module's id: the top of a clone is called `tree`, whatever it is."""
    if folder.name != "tree":
        return folder
    found = re.search(r"^id:\s*[\"']?(\w+)", (folder / METADATA).read_text("utf-8"), re.MULTILINE)
    if not found:
        return folder
    named = work / found[1]
    folder.rename(named)
    return named


def _git(word: str, arguments: list[str], work: Path) -> str:
    options = [part for setting in _SAFE for part in ("-c", setting)]
    environment = {
        **os.environ,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oConnectTimeout=20",
    }
    if not shutil.which("git"):
        raise _refused(word, "git is not installed: apt-get install git")
    try:
        done = subprocess.run(
            ["git", *options, *arguments],
            cwd=work,
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            stdin=subprocess.DEVNULL,
            preexec_fn=_bound,
        )
    except subprocess.TimeoutExpired as error:
        raise _refused(word, f"it did not come within {SECONDS} s") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["git gave no reason"])[-1]
        raise _refused(word, last.removeprefix("fatal: "))
    return done.stdout


def _bound() -> None:
    """No file of the clone, a pack least of all, grows beyond what is allowed."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_BYTES, MOST_BYTES))


def _refused(word: str, reason: str) -> CannotClone:
    return CannotClone(
        "{word} gives no module: {reason}.",
        given=word,
        do="Give an address that `git clone` takes without a password, and the folder after '#'.",
        word=word,
        reason=reason.rstrip("."),
    )
