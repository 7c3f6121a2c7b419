"""Where an import's files come from: a folder, a zip file, a DICOMDIR; and what each file is.

What a file is, its first bytes say; its name is asked only where they say nothing. A zip file is
unpacked under limits first, because it is somebody else's: names that lead out of the folder, links
and more bytes than it should hold (a "bomb") refuse the whole file before a byte is written.
"""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import pydicom

from dicom_archive.errors import BadImage, BadSource, NothingToPublish
from dicom_archive.flatten import is_derived
from dicom_archive.labels import Key

MOST_MEMBERS = 1_000_000
LARGEST_MEMBER = 16 * 2**30
LARGEST_RATIO = 200  # deflate reaches 1032 on zeros; real images stay under 100
ROOM_KEPT = 2**30  # bytes that unpacking leaves free on the disk

_ENDINGS = {
    ".dcm": "dicom",
    ".dicom": "dicom",
    ".png": "picture",
    ".jpg": "picture",
    ".jpeg": "picture",
    ".nii": "nifti",
    ".svs": "slide",
}
_KINDS = {
    "dicom": "DICOM file",
    "picture": "PNG or JPEG picture",
    "nifti": "NIfTI volume",
    "slide": "TIFF picture",
}
_TIFF = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


@dataclass(frozen=True)
class Found:
    """A file that may hold images, or a SEG or SR: `derived`.

    Other kinds: `dicom`, `picture`, `nifti`, `slide` (TIFF) and `tiles`. Of `tiles`, `path` is the
    folder and `parts` are its pictures.
    """

    path: Path
    key: Key
    kind: str
    parts: tuple[Path, ...] = ()

    @property
    def journal_key(self) -> str:
        """Names this content for a resumed import: path, size and time of last change."""
        return f"{self.key.path} {file_state(*(self.parts or (self.path,)))}"


def file_state(*paths: Path) -> str:
    """Name, size and time of last change of files, as one text."""
    told = [path.stat() for path in paths]
    size, changed = sum(one.st_size for one in told), max(one.st_mtime_ns for one in told)
    return f"{paths[0].name} {size} {changed}"


@dataclass
class Listing:
    """What lies in a source: images, files of another kind, and those left out with the reason."""

    root: Path
    found: list[Found] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)

    def relative(self, path: Path) -> str:
        """The path under the source, with slashes."""
        return path.relative_to(self.root).as_posix()


@contextmanager
def opened(path: Path, scratch: Path) -> Iterator[Path]:
    """The folder that holds the files of `path`: itself, or a zip file unpacked under `scratch`.

    Raises NothingToPublish where there is nothing, BadSource for a zip file that cannot be trusted.
    """
    if path.is_dir():
        yield path
    elif path.is_file() and path.name.upper() == "DICOMDIR":
        yield path.parent
    elif path.is_file() and zipfile.is_zipfile(path):
        scratch.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".unpacked-", dir=scratch) as folder:
            unpack(path, Path(folder))
            yield Path(folder)
    elif path.exists():
        raise BadSource(
            f"{path} is no folder, no zip file and no DICOMDIR. Name the folder that has the "
            "images, or a zip file of it."
        )
    else:
        raise NothingToPublish(f"There is no folder {path}. Name the folder that has the images.")


def unpack(path: Path, folder: Path) -> None:
    """Unpack the zip file at `path` into `folder`; BadSource before a byte where it is not safe.

    Times are those in the zip file, so that a resumed import knows its files again.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [one for one in archive.infolist() if not one.is_dir()]
            _check(path, members, folder)
            for member in members:
                _write(archive, member, folder)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise BadSource(
            f"{path.name} cannot be unpacked ({error}). Unpack it by hand, without a password, and "
            "name the folder."
        ) from error


def _check(path: Path, members: list[zipfile.ZipInfo], folder: Path) -> None:
    reason = ""
    if len(members) > MOST_MEMBERS:
        reason = f"it holds {len(members)} files; {MOST_MEMBERS} are taken"
    for member in members:
        place = PurePosixPath(member.filename)
        if place.is_absolute() or ".." in place.parts or "\\" in member.filename:
            reason = f"'{member.filename}' leads out of the folder"
        elif stat.S_ISLNK(member.external_attr >> 16):
            reason = f"'{member.filename}' is a link"
        elif member.file_size > LARGEST_MEMBER:
            reason = f"'{member.filename}' would have {member.file_size} bytes"
        elif member.file_size > 2**20 and member.file_size > LARGEST_RATIO * max(
            member.compress_size, 1
        ):
            reason = f"'{member.filename}' would grow more than {LARGEST_RATIO} times"
    total, free = sum(one.file_size for one in members), shutil.disk_usage(folder).free
    if total > free - ROOM_KEPT:
        reason = reason or f"it needs {total >> 20} MiB, and the disk has {free >> 20} MiB free"
    if reason:
        raise BadSource(f"{path.name} is not unpacked: {reason}. Unpack what you trust by hand.")


def _write(archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> None:
    target = folder / member.filename
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(member) as source, target.open("wb") as file:
        # The sizes in the directory of a zip file are a claim; what comes out is counted.
        left = member.file_size
        while block := source.read(2**20):
            left -= len(block)
            if left < 0:
                raise zipfile.BadZipFile(f"'{member.filename}' is longer than it says")
            file.write(block)
    day = max(member.date_time[2], 1)
    stamp = ((member.date_time[0] - 1970) * 372 + member.date_time[1] * 31 + day) * 86400
    os.utime(target, (stamp, stamp))


def scan(root: Path, skip: Callable[[Path], bool] = lambda _: False) -> Listing:
    """All files under `root`, by what they are, sorted by path; those `skip` names are left be.

    Where a DICOMDIR lies at the root, its images are those that it lists, and what is missing of
    them is named; files beside them are looked at as always (labels, pictures).
    """
    listing = Listing(root)
    for inner, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            path = Path(inner, name)
            if name.upper() == "DICOMDIR" or skip(path):
                continue
            try:
                one = identify(path, listing.relative(path))
            except BadImage as error:
                listing.left_out.append((listing.relative(path), str(error)))
                continue
            if one is None:
                listing.others.append(path)
            else:
                listing.found.append(one)
    _use_dicomdir(listing)
    return listing


def _use_dicomdir(listing: Listing) -> None:
    directory = next((p for p in listing.root.iterdir() if p.name.upper() == "DICOMDIR"), None)
    if directory is None:
        return
    try:
        records = pydicom.dcmread(directory).DirectoryRecordSequence
        # PS3.3 F.3: Referenced File ID holds the parts of a path below the DICOMDIR.
        named = [record.ReferencedFileID for record in records if "ReferencedFileID" in record]
    except Exception as error:
        listing.left_out.append((directory.name, f"it cannot be read ({_reason(error)})"))
        return
    here = {one.key.path.upper(): one for one in listing.found}
    left_out = {path.upper() for path, _ in listing.left_out}
    wanted = set()
    for parts in named:
        path = parts if isinstance(parts, str) else "/".join(parts)
        wanted.add(path.upper())
        if path.upper() not in here and path.upper() not in left_out:
            listing.left_out.append((path, "the DICOMDIR lists it, but it is not there"))
    unlisted = [one for one in listing.found if one.kind == "dicom"]
    for one in unlisted:
        if one.key.path.upper() not in wanted:
            listing.found.remove(one)
            listing.left_out.append((one.key.path, "the DICOMDIR does not list it"))


def identify(path: Path, relative: str) -> Found | None:
    """What the file at `path` is; None for no image, BadImage for one that is broken."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # to open a pipe would wait for ever
            return None
        with path.open("rb") as file:
            head = file.read(352)
    except OSError as error:
        raise BadImage(f"it cannot be read ({error.strerror})") from error
    kind = _kind(path, head)
    if kind == "dicom":
        return _dicom(path, relative)
    if kind is not None:
        return Found(path, Key(relative), kind)
    expected = _expected(path)
    if expected is None:
        return None
    if not head:
        raise BadImage("it is empty")
    raise BadImage(f"it is called {path.suffix} but is no {_KINDS[expected]}")


def _expected(path: Path) -> str | None:
    if path.name.lower().endswith(".nii.gz"):
        return "nifti"
    return _ENDINGS.get(path.suffix.lower())


def _kind(path: Path, head: bytes) -> str | None:
    if head[128:132] == b"DICM":
        return "dicom"
    if head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")):
        return "picture"
    # nifti1.h: the magic stands at byte 344 of NIfTI-1, at byte 4 of NIfTI-2.
    if head[344:348] == b"n+1\x00" or head[4:8] == b"n+2\x00":
        return "nifti"
    if head[:2] == b"\x1f\x8b" and path.name.lower().endswith(".nii.gz"):
        return "nifti"
    if head.startswith(_TIFF):
        return "slide"
    # Old files have no preamble: they begin with group 0002 or 0008 in little endian.
    if head[:2] in (b"\x02\x00", b"\x08\x00") and head[2:4] in (b"\x00\x00", b"\x05\x00"):
        return "dicom"
    return None


def _dicom(path: Path, relative: str) -> Found:
    wanted = ["SOPClassUID", "SOPInstanceUID", "PatientID"]
    try:
        head = pydicom.dcmread(path, specific_tags=wanted, force=True, stop_before_pixels=True)
        uid, patient = str(head.get("SOPInstanceUID", "")), str(head.get("PatientID", ""))
        derived = is_derived(str(head.get("SOPClassUID", "")))
    # As in `instance_from_bytes`: a broken file is one that is left out, whatever broke it.
    except Exception as error:
        raise BadImage(f"its header cannot be read ({_reason(error)})") from error
    return Found(path, Key(relative, uid, patient), "derived" if derived else "dicom")


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:120]
