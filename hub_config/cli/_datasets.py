"""What the commands of `./radlab dataset` share: the store, refusals, progress, the last line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from dicom_archive.errors import (
    AlreadyPublished,
    ArchiveError,
    Damaged,
    NoAccess,
    NoRoom,
    NotPublished,
    PublishingElsewhere,
    UidConflict,
    VersionWithdrawn,
)
from dicom_archive.store import Published, Store
from dicom_archive.visibility import EVERYONE
from dicom_catalog.errors import CatalogError, Withdrawn
from hub_config.cli._site import open_site
from hub_config.errors import BadInput, Busy, Conflict, NotFound, RadLabError, Unready
from hub_config.groups.rules import unknown_group
from hub_config.groups.store import GroupStore
from hub_config.settings import load_settings

# Commands run from the checkout; the cards of the sample sets are data files of it.
CARDS = Path(__file__).resolve().parents[2] / "datasets" / "cards"

_KINDS: dict[type[Exception], type[RadLabError]] = {
    Withdrawn: Conflict,
    AlreadyPublished: Conflict,
    UidConflict: Conflict,
    VersionWithdrawn: Conflict,
    NotPublished: NotFound,
    PublishingElsewhere: Busy,
    NoRoom: Unready,
    NoAccess: Unready,
    Damaged: Unready,
}


@contextmanager
def refusals() -> Iterator[None]:
    """The refusals of archive and catalog as RadLab's, with their own code."""
    try:
        yield
    except (ArchiveError, CatalogError) as error:
        kind: type[RadLabError] = _KINDS.get(type(error), BadInput)
        refused = kind("{reason}", reason=str(error))
        refused.__dict__["code"] = error.code  # its own, which says more than the kind's
        raise refused from error


def store() -> Store:
    """The store of this RadLab's state."""
    return Store(load_settings().path("datasets"))


def audience(groups: Sequence[str], draft: bool = False) -> tuple[str, ...]:
    """Who is to see a version: these groups, everyone where none is named, nobody a draft.

    UnknownGroup for a name that no group has: a version would be shown to nobody.
    """
    if draft:
        return ()
    named = [group for group in groups if group != EVERYONE]
    if named:
        known = [group.name for group in GroupStore(open_site().engine).all()]
        for group in named:
            if group not in known:
                raise unknown_group(group, known)
    return tuple(groups) or (EVERYONE,)


@contextmanager
def bar(label: str, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error, with the time that is left; none where `quiet`."""
    with click.progressbar(
        length=1, label=label, show_pos=True, file=sys.stderr, hidden=quiet
    ) as shown:

        def step(done: int, total: int) -> None:
            shown.length = total
            shown.update(done - shown.pos)

        yield step


def say(result: Published, as_json: bool) -> None:
    """The last line of a command that publishes."""
    facts = {
        "name": result.name,
        "version": result.version,
        "images": result.images,
        "patients": result.patients,
        "root": result.root,
        "folder": str(result.folder),
        "new": result.new,
    }
    if as_json:
        click.echo(json.dumps(facts))
    elif result.new:
        click.echo(
            f"Published {result.name}@{result.version}: {result.images} images of "
            f"{result.patients} patients."
        )
    else:
        click.echo(f"{result.name}@{result.version} is there already; nothing changed.")
