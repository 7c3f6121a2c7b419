"""Where all versions lie: made aside, shown in one step, never changed, taken back with a reason.

    objects/ab/<sha256>         one file a content
    versions/NAME/VERSION/      each version ever made, whole: hard links to objects; drafts, too
    visible/GROUP/NAME/VERSION  what a group sees of them: hard links again
    staging/                    what is being made

One process at a time makes a version of a dataset. Nothing of it is seen before all of it is on the
disk; what a killed one left is gone on from or removed by the next.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dicom_archive.cards import checked_name, checked_version
from dicom_archive.diff import splits_of
from dicom_archive.errors import (
    AlreadyPublished,
    Damaged,
    NotPublished,
    PublishingElsewhere,
    VersionWithdrawn,
    in_sentences,
    no_room,
)
from dicom_archive.manifest import (
    MANIFEST_NAME,
    Progress,
    find_damage,
    read_manifest,
)
from dicom_archive.objects import (
    Objects,
    files_in,
    link_tree,
    move_sealed,
    remove_tree,
    seal,
    sync_disk,
    write_file,
)
from dicom_archive.staged import Staged
from dicom_archive.version import Earlier, Published
from dicom_archive.visibility import EVERYONE, Visible
from dicom_catalog.catalog import WITHDRAWN_NAME
from dicom_catalog.errors import NoSuchDataset, unknown

__all__ = ["Published", "Staged", "Store", "Withdrawal"]


@dataclass(frozen=True)
class Withdrawal:
    """Why a version was taken back, when (ISO 8601, UTC), and which to use instead, if any."""

    reason: str
    when: str
    instead: str | None = None


class Store:
    """All datasets of a site, under one folder."""

    def __init__(self, root: Path) -> None:
        """Open the folder `root`, of which nothing need exist yet."""
        self.root = root
        self.all_versions = root / "versions"
        self.staging = root / "staging"
        self.objects = Objects(root / "objects")
        self.groups = Visible(root / "visible")

    @property
    def visible(self) -> Path:
        """The folder that everybody sees who has none of their own."""
        return self.groups.root / EVERYONE

    def check_room(self, megabytes: float) -> None:
        """NoRoom where the disk has less than that left, before any work is done."""
        with in_sentences(self.staging):
            self.staging.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self.staging).free < megabytes * 1e6:
            raise no_room(self.staging)

    def folder(self, name: str, version: str) -> Path:
        """Where this version lies, or would lie."""
        place = self.all_versions / checked_name(name) / checked_version(version)
        older = self.visible / name / version  # made before versions had a folder of their own
        return older if not place.exists() and (older / MANIFEST_NAME).is_file() else place

    def names(self) -> list[str]:
        """Names of all datasets that have a version."""
        return sorted(self._known())

    def versions(self, name: str) -> list[str]:
        """All versions, the oldest first, drafts and withdrawn ones too; NotPublished."""
        known = self._known()
        if name not in known:
            if not known:
                raise NotPublished(
                    "There is no dataset yet. Make one: ./radlab dataset generate chest-film"
                )
            raise NotPublished(str(unknown(NoSuchDataset, "dataset", name, sorted(known))))
        return known[name]

    def find(self, name: str) -> Path:
        """The folder of `name` or `name@version`; NotPublished names the nearest."""
        plain, at, version = name.partition("@")
        known = self.versions(plain)
        # `name@`, from an empty variable in a script, must not withdraw whatever is newest.
        if at and version not in known:
            raise NotPublished(f"{plain} has no version {version}. There is: {', '.join(known)}.")
        if not version:
            good = [one for one in known if self.withdrawn(plain, one) is None]
            version = (good or known)[-1]
        return self.folder(plain, version)

    def published(self, name: str, version: str) -> Published | None:
        """What is there under this name and version, or None."""
        folder = self.folder(name, version)
        if not (folder / MANIFEST_NAME).is_file():
            return None
        return _described(name, version, folder, read_manifest(folder), False)

    def seen_by(self, name: str, version: str) -> list[str]:
        """The groups that see this version; `everyone` is one of them, none sees a draft."""
        return self.groups.seen_by(name, version)

    def withdrawn(self, name: str, version: str) -> Withdrawal | None:
        """Why this version was taken back, or None."""
        path = self.folder(name, version) / WITHDRAWN_NAME
        if not path.is_file():
            return None
        return Withdrawal(**json.loads(path.read_text(encoding="utf-8")))

    @contextmanager
    def staged(self, name: str, version: str, resume: str | None = None) -> Iterator[Staged]:
        """A version to fill; removed on every way out but `Staged.publish`.

        With a `resume` key, what a killed or interrupted command of the same key had put down is
        there again: `Staged.has` says what. PublishingElsewhere where another process makes a
        version of `name`, VersionWithdrawn where this one was taken back.
        """
        self.folder(name, version)
        with in_sentences(self.root), self._only_one(name):
            self._adopt()
            self._require_not_withdrawn(name, version)
            folder = self._staging_folder(name, version, resume)
            commit = _Commit(self, name, version)
            earlier = self._earlier(name, version)
            staged = Staged(folder, self.objects, earlier, commit, resume)
            try:
                yield staged
            except Exception:
                self.objects.forget(folder)
                raise
            except BaseException:  # interrupted: the same command may go on from here
                if resume is None:
                    self.objects.forget(folder)
                raise
            else:
                self.objects.forget(folder)
            finally:
                staged.close()

    def show(self, name: str, version: str, to: Sequence[str] = (EVERYONE,)) -> Published:
        """Make a version visible to the groups `to`; who sees it already goes on seeing it.

        NotPublished where there is none, VersionWithdrawn where it was taken back.
        """
        folder = self.find(f"{checked_name(name)}@{checked_version(version)}")
        with in_sentences(self.root), self.groups.locked():
            self._require_not_withdrawn(name, version)
            prepared = self.groups.prepare(folder, name, version, to)
            self.groups.reveal(prepared)
        return _described(name, version, folder, read_manifest(folder), bool(prepared))

    def withdraw(
        self, name: str, version: str, reason: str, when: str, instead: str | None = None
    ) -> Withdrawal:
        """Take a version back: from now on whoever opens it is told `reason` and what to use.

        `instead` is `name@version`; NotPublished where it is not there, VersionWithdrawn where it
        was taken back as well. Done twice, the first reason stays.
        """
        self.find(f"{checked_name(name)}@{checked_version(version)}")
        if instead is not None:
            other = self.find(instead)
            instead = f"{other.parent.name}@{other.name}"
            self._require_not_withdrawn(other.parent.name, other.name)
        with in_sentences(self.root), self.groups.locked():
            self._adopt()
            folder = self.folder(name, version)
            record = folder / WITHDRAWN_NAME
            if not record.exists():
                _write_record(record, asdict(Withdrawal(reason, when, instead)))
            self.groups.withdraw(name, version, record)
        found = self.withdrawn(name, version)
        assert found is not None
        return found

    def damage(self, name: str, version: str, progress: Progress | None = None) -> list[str]:
        """A sentence for each file of the version, and of what groups see of it, that is not as
        it was published."""
        folder = self.folder(name, version)
        found = find_damage(folder, progress, besides=[WITHDRAWN_NAME])
        if self.withdrawn(name, version) is None:
            for group in self.seen_by(name, version):
                shown = self.groups.root / group / name / version
                if shown != folder:
                    found += _differences(folder, shown, group)
        return found

    def _known(self) -> dict[str, list[str]]:
        """Versions of each dataset, the oldest first."""
        found: dict[str, set[str]] = {}
        for place in (self.all_versions, self.visible):
            for path in place.glob("*/*/" + MANIFEST_NAME):
                found.setdefault(path.parts[-3], set()).add(path.parts[-2])
        return {name: sorted(versions, key=_number) for name, versions in found.items()}

    def _earlier(self, name: str, version: str) -> Earlier:
        """Splits of all other versions, a newer one's before an older one's, and the parent."""
        known = [one for one in self._known().get(name, []) if one != version]
        splits: dict[str, str] = {}
        for one in known:
            splits |= splits_of(self.folder(name, one))
        before = [one for one in known if _number(one) < _number(version)]
        return Earlier(self.folder(name, before[-1]) if before else None, splits)

    def _adopt(self) -> None:
        """Link versions that lie only where a group sees them to where all versions lie."""
        for group in self.groups.groups():
            for path in (self.groups.root / group).glob("*/*/" + MANIFEST_NAME):
                final = self.all_versions / path.parts[-3] / path.parts[-2]
                if final.exists():
                    continue
                final.parent.mkdir(parents=True, exist_ok=True)
                draft = self.all_versions / f".new-{final.parent.name}@{final.name}"
                remove_tree(draft)
                link_tree(path.parent, draft)
                with suppress(Damaged):  # it is shown and listed as it is; `verify` names what is
                    files = read_manifest(draft)["files"]
                    self.objects.share(draft, {one: files[one]["sha256"] for one in files})
                seal(draft)
                move_sealed(draft, final)

    def _require_not_withdrawn(self, name: str, version: str) -> None:
        found = self.withdrawn(name, version)
        if found is None:
            return
        instead = f" Use {found.instead}." if found.instead else ""
        raise VersionWithdrawn(
            f"{name}@{version} was withdrawn: {found.reason.rstrip('.')}.{instead} A version that "
            f"was withdrawn is not published again; the next one is {_next(version)}."
        )

    @contextmanager
    def _only_one(self, name: str) -> Iterator[None]:
        self.staging.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.staging / f".{name}.lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise PublishingElsewhere(
                    f"Another command is publishing {name} now. Wait until it has ended."
                ) from None
            yield
        finally:
            os.close(handle)

    def _staging_folder(self, name: str, version: str, resume: str | None) -> Path:
        folder = self.staging / f"{name}@{version}"
        for left in self.staging.glob(f"{name}@*"):
            if resume is None or left != folder:
                self.objects.forget(left)
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder


class _Commit:
    """Turns a filled tree into the version of that name: all at once, or not at all."""

    def __init__(self, store: Store, name: str, version: str) -> None:
        self.store = store
        self.name = name
        self.version = version

    def __call__(self, tree: Path, manifest: dict[str, Any], to: Sequence[str]) -> Published:
        """Publish `tree` with `manifest` to the groups `to`; AlreadyPublished."""
        there = self._there(manifest)
        if there is not None:
            if to:
                self.store.show(self.name, self.version, to)
            return there
        write_file(tree / MANIFEST_NAME, json.dumps(manifest, indent=1, sort_keys=True).encode())
        final = self.store.all_versions / self.name / self.version
        for folder in (final.parent.parent, final.parent):
            folder.mkdir(parents=True, exist_ok=True)
        hashes = {path: one["sha256"] for path, one in manifest["files"].items()}
        with self.store.groups.locked():
            self.store.objects.share(tree, hashes)
            sync_disk(tree)
            prepared = self.store.groups.prepare(tree, self.name, self.version, to)
            try:
                seal(tree)
                move_sealed(tree, final)
                self.store.groups.reveal(prepared)
            except BaseException:
                self.store.groups.drop(prepared)
                raise
        return _described(self.name, self.version, final, manifest, True)

    def _there(self, manifest: Mapping[str, Any]) -> Published | None:
        there = self.store.published(self.name, self.version)
        if there is None or there.root == manifest["root"]:
            return there
        raise AlreadyPublished(
            f"{self.name}@{self.version} is published already, with other images or labels, and a "
            "version never changes. Publish under the next version: --version "
            f"{_next(self.version)}."
        )


def _described(
    name: str, version: str, folder: Path, manifest: Mapping[str, Any], new: bool
) -> Published:
    return Published(
        name, version, folder, manifest["images"], manifest["patients"], manifest["root"], new
    )


def _differences(folder: Path, shown: Path, group: str) -> list[str]:
    """What `group` sees otherwise than it lies in `folder`; both are links to the same files."""
    known = {str(p.relative_to(folder)): p for p in files_in(folder)}
    seen = {str(p.relative_to(shown)): p for p in files_in(shown)}
    wrong = [f"{name} is missing in what {group} sees" for name in sorted(known.keys() - seen)]
    wrong += [f"{name} is seen by {group} and was not published" for name in seen.keys() - known]
    return wrong + [
        f"{name} is another file in what {group} sees"
        for name in sorted(known.keys() & seen)
        if not known[name].samefile(seen[name])
    ]


def _write_record(path: Path, record: Mapping[str, Any]) -> None:
    draft = path.parent.with_name(f".{path.parent.name}.{path.name}")
    draft.unlink(missing_ok=True)
    write_file(draft, json.dumps(record, ensure_ascii=False).encode())
    os.chmod(path.parent, 0o755)
    os.rename(draft, path)
    os.chmod(path.parent, 0o555)


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _next(version: str) -> str:
    first, second, _ = version.split(".")
    return f"{first}.{int(second) + 1}.0"
