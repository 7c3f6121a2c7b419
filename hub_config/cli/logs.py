"""`./radlab logs`: what the parts say."""

from __future__ import annotations

import subprocess
from pathlib import Path

import click

from hub_config.errors import NotFound, nearest
from hub_config.machine.running import manager
from hub_config.machine.services import NAMES
from hub_config.settings import Settings, load_settings


class UnknownPart(NotFound):
    """There is no part of that name with a log."""

    code = "unknown_part"


@click.command("logs")
@click.argument("part", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes; Ctrl-C ends it.")
@click.option("-n", "--lines", default=50, show_default=True, help="How many lines of the past.")
def command(part: str | None, follow: bool, lines: int) -> int:
    """Show the log of PART (keeper, proxy, hub, portal, engine, image-...), or of all services."""
    settings = load_settings()
    if part is None and not follow:
        return max(_show(_words(settings, name, follow, lines), name) for name in NAMES)
    if part is None:
        running = [subprocess.Popen(_words(settings, name, follow, lines)) for name in NAMES]
        return max(process.wait() for process in running)
    return _show(_words(settings, part, follow, lines))


def _show(words: list[str], title: str = "") -> int:
    if title:
        click.secho(f"== {title}", bold=True)
    return subprocess.run(words).returncode


def _words(settings: Settings, part: str, follow: bool, lines: int) -> list[str]:
    if part in NAMES:
        return manager(settings).log(part, follow, lines)
    known = {path.stem: path for path in sorted(settings.path("log").glob("*.log"))}
    known["engine"] = known.pop("dockerd", settings.path("log", "dockerd.log"))
    if part not in known or not _exists(known[part]):
        raise UnknownPart(
            "There is no log of '{part}'.{hint}",
            given=part,
            allowed=[*NAMES, *known],
            do="There are: {known}.",
            part=part,
            hint=nearest(part, [*NAMES, *known]),
            known=", ".join(sorted({*NAMES, *known})),
        )
    return ["tail", "-n", str(lines), *(["-F"] if follow else []), str(known[part])]


def _exists(path: Path) -> bool:
    return path.is_file()
