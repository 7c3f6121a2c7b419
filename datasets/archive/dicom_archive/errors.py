"""Every refusal of the archive, as a tree; each says what is wrong and what to do.

ArchiveError
├── BadName            a dataset name or version that cannot be one
├── BadCard            a card with unknown or missing fields
├── BadLabels          a table of labels that does not fit the images
├── BadImage           one file that cannot be taken; an import names it and goes on
├── NothingToPublish   a folder without a usable image
├── NotDeclared        nobody has declared that the images are de-identified
├── AlreadyPublished   the same name and version exist with other bytes
├── NotPublished       a name or version that does not exist
├── PublishingElsewhere  another process publishes this dataset now
├── NoRoom             the disk is full
└── Damaged            a published file is not as its manifest says
"""

from __future__ import annotations

import errno
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


class BadImage(ArchiveError):
    """One file that cannot be taken."""

    code = "bad_image"


class NothingToPublish(ArchiveError):
    """A folder without a usable image."""

    code = "nothing_to_publish"


class NotDeclared(ArchiveError):
    """Nobody has declared that the images are de-identified."""

    code = "not_declared_deidentified"


class AlreadyPublished(ArchiveError):
    """The same name and version exist with other bytes."""

    code = "already_published"


class NotPublished(ArchiveError):
    """A name or version that does not exist."""

    code = "not_published"


class PublishingElsewhere(ArchiveError):
    """Another process publishes this dataset now."""

    code = "publishing_elsewhere"


class NoRoom(ArchiveError):
    """The disk is full."""

    code = "no_room"


class Damaged(ArchiveError):
    """A published file is not as its manifest says."""

    code = "dataset_damaged"


@contextmanager
def saying_disk_full(folder: Path) -> Iterator[None]:
    """Turn the system's errors for a full disk or quota into NoRoom."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoRoom(
                f"The disk of {folder} is full; nothing was published. Free some space there and "
                "run the same command again."
            ) from error
        raise
