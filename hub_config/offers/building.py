"""What an image is built from, and the name that follows from it: the part without an engine.

An image's name ends in a hash over all that its build takes in: its folder, the folders that the
catalog names as `sources`, the tools, the image beneath, the build of torch, and the site's
certificate authorities. So a changed Dockerfile makes a new image and an unchanged one is found by
its name alone. Addresses of mirrors are not in it: they serve the same packages.

The context that a build sends is that same list of files: the image's folder at its root,
`tools/`, the `sources` under their own paths, and `ca-certificates.crt`.
"""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from hub_config.errors import Unready
from hub_config.offers.images import Image, Images

DEBIAN_SUITE = "bookworm"
DEBOOTSTRAP = "debootstrap"
REPOSITORY = "radlab"
_LEFT_OUT = {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", "build", "dist"}
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class MissingSource(Unready):
    """A file or folder that a build needs is not in the checkout."""

    code = "missing_build_source"


@dataclass(frozen=True)
class Site:
    """What builds on this machine have in common: the checkout, and what the settings say."""

    checkout: Path
    base_image: str
    authorities: bytes

    @property
    def catalog(self) -> Path:
        """The catalog of images in the checkout."""
        return self.checkout / "images" / "catalog.yaml"


@dataclass(frozen=True)
class File:
    """A file of the checkout as it was when the build was planned.

    Its content is kept: what is sent must be what was hashed, also when somebody edits meanwhile.
    """

    path: Path
    content: bytes
    executable: bool


@dataclass(frozen=True)
class Build:
    """One image to be built: its name, what it stands on, and the files of its context."""

    image: Image
    tag: str
    parent: str
    beneath: Build | None
    files: Mapping[str, File]

    @property
    def requirements(self) -> list[Path]:
        """The lock files whose wheels it installs, torch apart."""
        return [file.path for name, file in self.files.items() if _is_lock(name)]

    @property
    def torch(self) -> Path | None:
        """The lock file of its torch, or None where it holds none."""
        return self.files[f"torch-{self.image.torch}.txt"].path if self.image.torch else None


def plan_debian(site: Site) -> str:
    """The name of the image that the lowest of ours stands on."""
    if site.base_image != DEBOOTSTRAP:
        return site.base_image
    packages = "\n".join(debian_packages(site)) + DEBIAN_SUITE
    return f"{REPOSITORY}/debian:12-{_digest([packages.encode()])}"


def debian_packages(site: Site) -> list[str]:
    """The Debian packages that the lowest image wants, in their order."""
    path = site.checkout / "images" / "base" / "packages.txt"
    lines = (line.strip() for line in path.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def plan_builds(images: Images, site: Site, ids: Iterable[str] | None = None) -> list[Build]:
    """The builds for these images (default: all) and those beneath, each after what it needs."""
    plan: dict[str, Build] = {}
    for id in images.ids if ids is None else ids:
        for image in images.lineage(id):
            if image.id not in plan:
                plan[image.id] = _plan(image, plan[image.parent] if image.parent else None, site)
    return list(plan.values())


def _plan(image: Image, beneath: Build | None, site: Site) -> Build:
    parent = beneath.tag if beneath else plan_debian(site)
    files = context_files(image, site)
    parts = [parent.encode(), (image.torch or "").encode(), _normal(site.authorities)]
    for name, file in sorted(files.items()):
        parts += [name.encode(), str(file.executable).encode(), file.content]
    tag = f"{REPOSITORY}/{image.id}:{image.version}-{_digest(parts)}"
    return Build(image, tag, parent, beneath, files)


def context_files(image: Image, site: Site) -> dict[str, File]:
    """Paths in the build context, each with its file; MissingSource where a folder is not there."""
    folders = {"": site.checkout / "images" / image.folder}
    folders["tools/"] = site.checkout / "images" / "tools"
    folders |= {f"{source}/": site.checkout / source for source in image.sources}
    found: dict[str, File] = {}
    for prefix, folder in folders.items():
        if not folder.is_dir():
            raise MissingSource(
                "The image '{id}' is built from the folder {folder}, which is not there.",
                given=str(folder),
                do="Run this from a whole checkout of RadLab.",
                id=image.id,
                folder=folder,
            )
        found |= {f"{prefix}{name}": path for name, path in _files(folder)}
    return found


def context_archive(build: Build, site: Site) -> IO[bytes]:
    """The build context as a tar archive; the same files give the same bytes."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        _add(tar, "ca-certificates.crt", site.authorities, executable=False)
        for name, file in sorted(build.files.items()):
            _add(tar, name, file.content, executable=file.executable)
    archive.seek(0)
    return archive


def _add(tar: tarfile.TarFile, name: str, content: bytes, *, executable: bool) -> None:
    # Owner, time and umask of the checkout stay out, or the engine's cache would never be hit.
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    entry.mode = 0o755 if executable else 0o644
    tar.addfile(entry, io.BytesIO(content))


def _files(folder: Path) -> Iterable[tuple[str, File]]:
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        generated = any(part in _LEFT_OUT or part.endswith(".egg-info") for part in parts)
        if path.is_file() and not generated:
            executable = bool(path.stat().st_mode & 0o100)
            yield "/".join(parts), File(path, path.read_bytes(), executable)


def _is_lock(name: str) -> bool:
    return name in ("requirements.txt", "tools/requirements.txt")


def _normal(authorities: bytes) -> bytes:
    """The certificates alone and sorted: comments and order change when nothing has changed."""
    blocks = _CERTIFICATE.findall(authorities.decode(errors="replace"))
    return "\n".join(sorted("".join(block.split()) for block in blocks)).encode()


def _digest(parts: Iterable[bytes]) -> str:
    # Each part is hashed with its length, so that no two lists of parts run together.
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:12]
