"""`./radlab course`: build course modules from their sources, and list what is published."""

from __future__ import annotations

from pathlib import Path

import click

from hub_config.cli._site import print_json
from hub_config.errors import nearest
from hub_config.machine import checkout
from hub_config.offers.lessons import Published, publish_module, sources
from hub_config.offers.modules import METADATA, Module, UnknownModule, load_modules
from hub_config.settings import load_settings


@click.group("course", no_args_is_help=True)
def command() -> None:
    """Course modules: build them, list them."""


@command.command("build")
@click.argument("modules", nargs=-1, metavar="[FOLDER|ID]...")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to build into; default: the modules that students see.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def build(modules: tuple[str, ...], out: Path | None, as_json: bool) -> None:
    """Build notebooks from module folders or ids; all of courses/ where none is named.

    A published version never changes: after an edit, raise `version` in module.yaml.
    """
    out = out or load_settings().path("modules")
    folders = [_source(word) for word in modules] or sources(_courses())
    published = [publish_module(folder, out) for folder in folders]
    if as_json:
        return print_json([_facts(one) for one in published])
    for one in published:
        told = "built" if one.changed else "is there already"
        click.echo(f"{one.module.id} {one.module.version}: {told}: {one.folder}")


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List the published course modules, newest version of each."""
    modules = load_modules(load_settings().path("modules")).all
    if as_json:
        return print_json([module.model_dump() for module in modules])
    if not modules:
        return click.echo("No course module is published yet: ./radlab course build")
    width = max(len(module.id) for module in modules)
    for module in modules:
        click.echo(
            f"{module.id:<{width}}  {module.version}  {_needs(module)}  {module.title['en']}"
        )


def _courses() -> Path:
    return checkout.root() / "courses"


def _source(word: str) -> Path:
    folder = Path(word)
    if (folder / METADATA).is_file():
        return folder.resolve()
    if (_courses() / word / METADATA).is_file():
        return _courses() / word
    known = [source.name for source in sources(_courses())]
    raise UnknownModule(
        "'{word}' is neither a folder with a module.yaml nor a module of courses/.{hint}",
        given=word,
        allowed=known,
        do="Give the folder of a module, or one of: {known}.",
        word=word,
        hint=nearest(word, known),
        known=", ".join(known),
    )


def _needs(module: Module) -> str:
    gpus = f"{module.gpus} GPU" if module.gpus else "no GPU"
    return f"{module.minutes} min, {module.image}, {gpus}"


def _facts(one: Published) -> dict[str, object]:
    return {
        "id": one.module.id,
        "version": one.module.version,
        "folder": str(one.folder),
        "changed": one.changed,
    }
