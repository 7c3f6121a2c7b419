"""Every refusal of the archive, as a tree; each says what is wrong and what to do.

ArchiveError
├── BadName            a dataset name or version that cannot be one
├── BadCard            a card with unknown or missing fields
├── BadLabels          a table of labels that does not fit the images
├── BadKnob            a knob that a generator does not have, or a value out of its range
├── BadImage           one file that cannot be taken; an import names it and goes on
├── BadSource          a zip file or a path that an import cannot take
├── NotGivenBack       labels that this format cannot hold
├── UidConflict        a UID that another image of the version has already
├── SplitLeak          patients who belong together and were in different splits
├── NothingToPublish   a folder without a usable image
├── NotDeclared        nobody has declared that the images are de-identified
├── AlreadyPublished   the same name and version exist with other bytes
├── VersionWithdrawn   a version that was taken back
├── NotPublished       a name or version that does not exist
├── PublishingElsewhere  another process publishes this dataset now
├── NoRoom             the disk is full
├── NoAccess           a folder that this user may not write
└── Damaged            a published file is not as its manifest says
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class ArchiveError(Exception):
    """A refusal; its text is one or two clear sentences."""

    code = "archive"


class BadName(ArchiveError):
    """A dataset name or version that cannot be one."""

    code = "bad_dataset_name"


class BadCard(ArchiveError):
    """A card with unknown or missing fields."""

    code = "bad_card"


class BadLabels(ArchiveError):
    """A table of labels that does not fit the images."""

    code = "bad_labels"


class BadKnob(ArchiveError):
    """A knob that a generator does not have, or a value out of its range."""

    code = "bad_knob"


class BadImage(ArchiveError):
    """One file that cannot be taken."""

    code = "bad_image"


class BadSource(ArchiveError):
    """A zip file that is not safe to unpack, or a path that is nothing to import from."""

    code = "bad_source"


class NotGivenBack(ArchiveError):
    """Labels that the format asked for cannot hold, or none of that kind."""

    code = "not_given_back"


class UidConflict(ArchiveError):
    """Another image of the version has this UID, with other bytes."""

    code = "uid_conflict"


class SplitLeak(ArchiveError):
    """Patients who share an image were put into different splits by earlier versions."""

    code = "split_leak"


class NothingToPublish(ArchiveError):
    """A folder without a usable image."""

    code = "nothing_to_publish"


class NotDeclared(ArchiveError):
    """Nobody has declared that the images are de-identified."""

    code = "not_declared_deidentified"


class AlreadyPublished(ArchiveError):
    """The same name and version exist with other bytes."""

    code = "already_published"


class VersionWithdrawn(ArchiveError):
    """The version was taken back, and is not shown again."""

    code = "version_withdrawn"


class NotPublished(ArchiveError):
    """A name or version that does not exist."""

    code = "not_published"


class PublishingElsewhere(ArchiveError):
    """Another process publishes this dataset now."""

    code = "publishing_elsewhere"


class NoRoom(ArchiveError):
    """The disk is full."""

    code = "no_room"


class NoAccess(ArchiveError):
    """A folder that this user may not write."""

    code = "no_access"


class Damaged(ArchiveError):
    """A published file is not as its manifest says."""

    code = "dataset_damaged"


@contextmanager
def in_sentences(folder: Path) -> Iterator[None]:
    """Turn what the system says of a full disk or a forbidden `folder` into refusals."""
    try:
        yield
    except PermissionError as error:
        raise NoAccess(
            f"{error.filename or folder} may not be written by this user; nothing was published. "
            "Run the command as root."
        ) from error
    except (OSError, sqlite3.OperationalError) as error:
        number = error.errno if isinstance(error, OSError) else None
        if number in (errno.ENOSPC, errno.EDQUOT) or "disk is full" in str(error):
            raise no_room(folder) from error
        raise


def no_room(folder: Path) -> NoRoom:
    """The refusal for a full disk."""
    return NoRoom(
        f"The disk of {folder} is full; nothing was published. Free some space there and run the "
        "same command again."
    )
