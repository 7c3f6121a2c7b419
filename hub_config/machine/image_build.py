"""Builds the images of the catalog that the engine does not have yet.

`ensure_images` is what `./radlab up` and `./radlab image build` call. What an image is built from,
and its name, is worked out in `hub_config/offers/building.py`; a name that the engine knows is not
built again, so a second run takes no time. Debian and the Python packages are fetched at the same
time, then the images are built one upon another.
"""

from __future__ import annotations

import fcntl
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import docker
from docker.errors import APIError, DockerException, ImageNotFound

from hub_config.errors import Unready
from hub_config.machine import image_debian, image_wheels
from hub_config.machine.image_wheels import TorchForCuda
from hub_config.offers.building import (
    DEBOOTSTRAP,
    Build,
    Site,
    context_archive,
    debian_packages,
    plan_builds,
    plan_debian,
)
from hub_config.offers.images import Images, load_images, write_images
from hub_config.settings import Settings

CHECKOUT = Path(__file__).parents[2]
OFFERS = ("offers", "images.yaml")
_GIGABYTE = 10**9
# Of the steps of a Dockerfile, those that take time.
_LONG_STEP = re.compile(r"Step (\d+)/(\d+) : RUN ")
# Measured: base and imaging take 2.2 GB in the engine, and as much again while they are made.
_ROOM_GB = {None: 2, "cpu": 5, "cuda": 20}

Say = Callable[[str], None]


class EngineUnready(Unready):
    """The Docker Engine cannot be reached, or cannot build here."""

    code = "engine_unready"


class NoRoom(Unready):
    """The disk has too little room for the images."""

    code = "no_room"


class BuildFailed(Unready):
    """A step of an image's build failed."""

    code = "image_build_failed"


@dataclass(frozen=True)
class BuiltImage:
    """An image as the engine has it; `fresh` where this run has built it."""

    id: str
    tag: str
    digest: str
    bytes: int
    seconds: float
    fresh: bool


def ensure_images(
    settings: Settings,
    images: Images | None = None,
    progress: Say = lambda line: None,
    *,
    ids: Iterable[str] | None = None,
    again: bool = False,
    checkout: Path = CHECKOUT,
) -> list[BuiltImage]:
    """Build the images that the engine lacks, and write the state's catalog with their names.

    `images` is `catalog`'s where it is not given, `ids` all of it; `again` builds all
    anew with Debian's present updates. `progress` gets one line a step.
    Raises EngineUnready, NoRoom, DebianUnavailable, WheelsUnavailable, TorchForCuda, BuildFailed.
    """
    site = read_site(settings, checkout)

    def build() -> list[BuiltImage]:
        wanted = catalog(settings, site) if images is None else images
        return _ensure(settings, site, wanted, progress, ids, again)

    try:
        return build()
    except TorchForCuda as found:
        if settings.torch:
            raise
        # A build for CUDA runs on processors too: a larger image is better than none.
        progress(f"{found.message} It is taken, and `torch: cuda` kept in the settings.")
        settings.torch = "cuda"
        settings.save({"torch": "cuda"})
        return build()


def catalog(settings: Settings, site: Site) -> Images:
    """The checkout's catalog, with the build of torch that the settings name."""
    images = load_images(site.catalog)
    if not settings.torch:
        return images
    chosen = {"torch": settings.torch}
    return Images([image.model_copy(update=chosen) if image.torch else image for image in images])


def _ensure(
    settings: Settings,
    site: Site,
    images: Images,
    progress: Say,
    ids: Iterable[str] | None,
    again: bool,
) -> list[BuiltImage]:
    plan = plan_builds(images, site, ids)
    with connected(settings) as client:
        seconds: dict[str, float] = {}
        if _missing(client, plan, again):
            with _one_at_a_time(settings, progress):
                # Another build may have made them while this one waited.
                missing = _missing(client, plan, again)
                seconds = _Builder(settings, site, client, progress, again).run(missing)
        built = [_described(client, build, seconds) for build in plan]
        publish(settings, images, site, client)
    return built


def _missing(client: docker.DockerClient, plan: Sequence[Build], again: bool) -> list[Build]:
    return [build for build in plan if again or not has_image(client, build.tag)]


@contextmanager
def _one_at_a_time(settings: Settings, say: Say) -> Iterator[None]:
    """Wait for another build of this state, then sweep up what a killed one has left."""
    path = settings.path("run", "image-build.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another build of images to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for left in settings.path().glob("debian-*"):
            image_debian.remove_folder(left)
        yield


def read_site(settings: Settings, checkout: Path = CHECKOUT) -> Site:
    """What builds on this machine have in common."""
    bundle = Path(settings.ca_bundle)
    authorities = bundle.read_bytes() if bundle.is_file() else b""
    return Site(checkout, settings.base_image, authorities)


def publish(settings: Settings, images: Images, site: Site, client: docker.DockerClient) -> None:
    """Write the state's catalog: every image of the checkout's, with the name of the built one."""
    known = {
        build.image.id: build.tag
        for build in plan_builds(images, site)
        if has_image(client, build.tag)
    }
    named = [image.model_copy(update={"built": known.get(image.id)}) for image in images]
    path = settings.path(*OFFERS)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_images(Images(named), path)


@contextmanager
def connected(settings: Settings) -> Iterator[docker.DockerClient]:
    """A client of the engine; EngineUnready with what to do where nothing answers."""
    try:
        client = docker.DockerClient(base_url=settings.engine)
        client.ping()
    except DockerException as error:
        raise EngineUnready(
            "No Docker Engine answers at {engine}.",
            given=settings.engine,
            do="Start it (`systemctl start docker`, or run `./radlab up`, which installs it), "
            "or correct the setting `engine`.",
            engine=settings.engine,
        ) from error
    try:
        yield client
    finally:
        client.close()


def has_image(client: docker.DockerClient, tag: str) -> bool:
    """True where the engine has an image of that name."""
    try:
        client.images.get(tag)
    except ImageNotFound:
        return False
    return True


def _described(client: docker.DockerClient, build: Build, seconds: dict[str, float]) -> BuiltImage:
    attributes = client.images.get(build.tag).attrs
    return BuiltImage(
        id=build.image.id,
        tag=build.tag,
        digest=attributes["Id"],
        bytes=attributes["Size"],
        seconds=round(seconds.get(build.tag, 0.0), 1),
        fresh=build.tag in seconds,
    )


class _Builder:
    """One run over the images that are missing, with its log and its clock."""

    def __init__(
        self,
        settings: Settings,
        site: Site,
        client: docker.DockerClient,
        progress: Say,
        again: bool,
    ) -> None:
        self.settings = settings
        self.site = site
        self.client = client
        self.say = progress
        self.again = again
        self.info = client.info()
        self.folder = settings.path("log")
        self.cache = settings.path("cache", "wheels")

    def run(self, missing: Sequence[Build]) -> dict[str, float]:
        """Build them all; returns the seconds that each took, by its name."""
        self.folder.mkdir(parents=True, exist_ok=True)
        _check_engine(self.settings)
        self._check_room(missing)
        self._check_torch(missing)
        with ThreadPoolExecutor(max_workers=2) as pool:
            fetched = pool.submit(self._fetch, missing)
            self._lay_debian(missing)
            wheels = fetched.result()
        with image_wheels.served(wheels) as address:
            return {build.tag: self._build(build, address) for build in missing}

    def _log(self, name: str) -> IO[bytes]:
        return (self.folder / f"image-{name}.log").open("wb")

    def _check_room(self, missing: Sequence[Build]) -> None:
        wanted = sum(_ROOM_GB[build.image.torch] for build in missing)
        for path in {Path(self.info["DockerRootDir"]), Path(self.settings.state)}:
            free = shutil.disk_usage(path).free if path.is_dir() else None
            if free is not None and free < wanted * _GIGABYTE:
                raise NoRoom(
                    "Building the images wants {wanted} GB of free disk at {path}, which has "
                    "{free:.1f} GB.",
                    given=free,
                    allowed=wanted * _GIGABYTE,
                    do="Make room there (`docker system df` shows what the engine holds), then "
                    "run this again.",
                    wanted=wanted,
                    path=path,
                    free=free / _GIGABYTE,
                )

    def _check_torch(self, missing: Sequence[Build]) -> None:
        locks = {build.torch for build in missing if build.image.torch == "cpu" and build.torch}
        for lock in locks:
            if not image_wheels.cached(lock, self.cache).is_dir():
                with self._log("torch") as log:
                    image_wheels.check_torch(lock, self.settings, self._machine, log)

    @property
    def _machine(self) -> str:
        return str(self.info["Architecture"])

    def _fetch(self, missing: Sequence[Build]) -> list[Path]:
        locks = {lock for build in missing for lock in build.requirements}
        locks |= {build.torch for build in missing if build.torch is not None}
        self.cache.mkdir(parents=True, exist_ok=True)
        self.say("fetching Python packages")
        with self._log("packages") as log:
            wheels = image_wheels.fetch(
                sorted(locks), self.cache, self.settings, self._machine, log
            )
        size = sum(wheel.stat().st_size for wheel in wheels)
        self.say(f"{len(wheels)} Python packages are here, {size / 1e6:.0f} MB")
        return wheels

    def _lay_debian(self, missing: Sequence[Build]) -> None:
        """See that what the lowest image stands on is there."""
        tag = plan_debian(self.site)
        wanted = any(build.parent == tag for build in missing)
        if not wanted or (not self.again and has_image(self.client, tag)):
            return
        if self.site.base_image == DEBOOTSTRAP:
            packages = debian_packages(self.site)
            with self._log("debian") as log:
                image_debian.make_debian(self.client, tag, packages, self.settings, log, self.say)
        else:
            self.say(f"pulling {tag}")
            _pull(self.client, tag)

    def _build(self, build: Build, wheels: str) -> float:
        begun = time.monotonic()
        self.say(f"building {build.tag}")
        with self._log(build.image.id) as log:
            self._run(build, wheels, log, tag=build.tag, nocache=self.again)
        repository = build.tag.partition(":")[0]
        self.client.api.tag(build.tag, repository, build.image.version, force=True)
        taken = time.monotonic() - begun
        self.say(f"built {build.tag} in {taken:.0f} s")
        return taken

    def _run(self, build: Build, wheels: str, log: IO[bytes], **options: Any) -> str:
        """Run one build to its end; returns the engine's id of what it made."""
        arguments = {
            "PARENT": build.parent,
            "PACKAGES": self._packages(build, wheels, log),
            "WHEELS": wheels,
            "DEBIAN_MIRROR": self.settings.debian_mirror,
            "TORCH": build.image.torch or "",
        }
        events = self.client.api.build(
            fileobj=context_archive(build, self.site),
            custom_context=True,
            buildargs=arguments,
            # Wheels are served on the host's loopback, and mirrors are reached as it does.
            network_mode="host",
            rm=True,
            forcerm=True,
            decode=True,
            **options,
        )
        return self._follow(events, build, log)

    def _packages(self, build: Build, wheels: str, log: IO[bytes]) -> str:
        """What the stage `packages` stands on: that of the image beneath, or Debian.

        The stage beneath was built a moment ago, so this is the engine's cache answering.
        """
        if build.beneath is None:
            return build.parent
        return self._run(build.beneath, wheels, log, target="packages")

    def _follow(self, events: Iterator[dict[str, Any]], build: Build, log: IO[bytes]) -> str:
        made = ""
        try:
            for event in events:
                text = str(event.get("stream") or event.get("error") or "")
                log.write(text.encode())
                step = _LONG_STEP.match(text)
                if step:
                    self.say(f"{build.image.id}: step {step[1]} of {step[2]}")
                if "error" in event:
                    raise _failed(build, text, Path(log.name))
                made = event.get("aux", {}).get("ID", made)
        except DockerException as error:
            raise _failed(build, str(error), Path(log.name)) from error
        return str(made)


def _check_engine(settings: Settings) -> None:
    if not settings.engine.startswith("unix://"):
        raise EngineUnready(
            "Images are built by the engine of this machine, and {engine} is another's.",
            given=settings.engine,
            allowed="unix:///var/run/docker.sock",
            do="Build on that machine, then `docker save` the images there and `docker load` "
            "them where they are wanted.",
            engine=settings.engine,
        )


def _pull(client: docker.DockerClient, reference: str) -> None:
    try:
        client.images.pull(reference)
    except APIError as error:
        raise EngineUnready(
            "The engine could not pull {reference}: {reason}.",
            given=reference,
            allowed=DEBOOTSTRAP,
            do="Check the network and the name; or set base_image to debootstrap, which needs "
            "no registry of images.",
            reference=reference,
            reason=str(error.explanation or error).rstrip("."),
        ) from error


def _failed(build: Build, reason: str, log: Path) -> Unready:
    if "no space left" in reason.lower():
        return NoRoom(
            "The disk filled up while the image '{id}' was built.",
            do="Make room (`docker system df` shows what the engine holds), then run this again.",
            id=build.image.id,
        )
    return BuildFailed(
        "Building the image '{id}' failed: {reason}.",
        given=build.tag,
        do="Each step is in {log}; its last lines say what went wrong.",
        id=build.image.id,
        reason=reason.strip().rstrip("."),
        log=log,
    )
