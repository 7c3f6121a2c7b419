"""To whom each module is offered: `<modules>/<id>/offer.json`, beside its versions.

A module without that file is offered to everyone; an empty list of groups means that it was
withdrawn: nobody new gets it, and who has a copy keeps it. The file is replaced whole, and belongs
to whoever owns the folder of modules, so that both the command and the portal can change it.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hub_config.offers.modules import Modules, UnknownModule, published_versions

OFFER = "offer.json"


@dataclass(frozen=True)
class Offer:
    """The groups that see a module; None: everyone; none at all: it was withdrawn."""

    groups: tuple[str, ...] | None = None
    by: str = ""

    @property
    def withdrawn(self) -> bool:
        """True where nobody is offered it."""
        return self.groups == ()

    def reaches(self, groups: Iterable[str]) -> bool:
        """True where a person in these groups is offered it."""
        return self.groups is None or bool(set(self.groups) & set(groups))

    def within(self, groups: Iterable[str]) -> bool:
        """True where nobody outside of these groups is offered it."""
        return self.groups is not None and set(self.groups) <= set(groups)


def offers(modules_folder: Path) -> dict[str, Offer]:
    """The offer of each built module, by id."""
    return {id: read_offer(modules_folder, id) for id in published_versions(modules_folder)}


def read_offer(modules_folder: Path, id: str) -> Offer:
    """The offer of one module; everyone where nothing is said.

    A file that cannot be read offers it to nobody: it may have been meant for one group.
    """
    path = Path(modules_folder) / id / OFFER
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        groups = told["groups"]
        return Offer(None if groups is None else tuple(map(str, groups)), str(told["by"]))
    except FileNotFoundError:
        return Offer()
    except (OSError, ValueError, KeyError, TypeError):
        return Offer(())


def set_offer(modules_folder: Path, id: str, groups: Sequence[str] | None, by: str) -> Offer:
    """Offer a built module to these groups (None: everyone); UnknownModule where none is built."""
    folder = Path(modules_folder) / id
    if id not in published_versions(modules_folder):
        raise UnknownModule(
            "No module '{id}' is built.",
            given=id,
            do="Publish it first: ./radlab course publish {id}",
            id=id,
        )
    offer = Offer(None if groups is None else tuple(dict.fromkeys(groups)), by)
    content = {"groups": None if offer.groups is None else list(offer.groups), "by": by}
    handle, draft = tempfile.mkstemp(prefix=".offer-", dir=folder)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(content, file)
    os.chmod(draft, 0o644)
    owner = folder.stat()
    with contextlib.suppress(PermissionError):
        os.chown(draft, owner.st_uid, owner.st_gid)
    os.replace(draft, folder / OFFER)
    return offer


def withdraw(modules_folder: Path, id: str, by: str) -> Offer:
    """Offer it to nobody; copies that students have stay theirs."""
    return set_offer(modules_folder, id, (), by)


def seen_by(modules: Modules, modules_folder: Path, groups: Iterable[str]) -> Modules:
    """The modules that a person in these groups is offered."""
    mine = set(groups)
    return Modules([one for one in modules if read_offer(modules_folder, one.id).reaches(mine)])
