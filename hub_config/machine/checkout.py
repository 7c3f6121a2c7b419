"""Where the checkout lies that a command runs from: images, courses, cards and tests are there.

Services run the packages that `./radlab up` installed, and need none of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from hub_config.errors import Unready

# Each distribution of the checkout, by its folder, with the package that it holds.
PROJECTS = {
    ".": "hub_config",
    "datasets/client": "dicom_catalog",
    "datasets/synthetic": "dicom_synthetic",
    "datasets/archive": "dicom_archive",
}


class NoCheckout(Unready):
    """This runs from installed packages, and wants files of a checkout."""

    code = "no_checkout"


def root() -> Path:
    """The checkout's folder; NoCheckout where these modules were installed without one."""
    folder = Path(__file__).resolve().parents[2]
    if not (folder / "images" / "catalog.yaml").is_file():
        raise NoCheckout(
            "{folder} is no checkout of RadLab: images/catalog.yaml is missing.",
            do="Run ./radlab from the folder that `git clone` made.",
            folder=folder,
        )
    return folder


def files(folders: Iterable[Path]) -> list[Path]:
    """All files under `folders` in a fixed order, without what tools leave behind."""
    left_behind = {"__pycache__", "node_modules", "build", ".ipynb_checkpoints"}
    return [
        path
        for folder in folders
        for path in sorted([folder] if folder.is_file() else folder.rglob("*"))
        if path.is_file() and not left_behind.intersection(path.parts)
    ]


def digest(folders: Iterable[Path], *texts: str) -> str:
    """A hash over names and contents of all files under `folders`, and over `texts`."""
    total = hashlib.sha256()
    for path in files(folders):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{path} {content}\n".encode())
    for text in texts:
        total.update(f"{text}\n".encode())
    return total.hexdigest()
