"""`./radlab image`: build the images of the catalog, and see which are there."""

from __future__ import annotations

import dataclasses
import json
import sys

import click

from hub_config.machine.image_build import (
    BuiltImage,
    catalog,
    connected,
    ensure_images,
    has_image,
    read_site,
)
from hub_config.machine.progress import Progress
from hub_config.offers.building import plan_builds
from hub_config.settings import load_settings


@click.group()
def command() -> None:
    """Images that students' containers are made from."""


@command.command()
@click.argument("image", required=False)
@click.option("--again", is_flag=True, help="Build anew, with Debian's present security updates.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def build(image: str | None, again: bool, as_json: bool) -> None:
    """Build IMAGE, or all that the catalog lists, where the engine lacks them."""
    settings = load_settings()
    with Progress(sys.stderr if as_json else sys.stdout).step("Images") as say:
        built = ensure_images(settings, progress=say, ids=[image] if image else None, again=again)
    if as_json:
        click.echo(json.dumps({"images": [dataclasses.asdict(one) for one in built]}, indent=2))
        return
    for one in built:
        click.echo(_line(one))


@command.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def list_images(as_json: bool) -> None:
    """List the images of the catalog, and whether each is built as the checkout now has it."""
    settings = load_settings()
    site = read_site(settings)
    images = catalog(settings, site)
    rows = []
    with connected(settings) as client:
        for planned in plan_builds(images, site):
            facts = planned.image.model_dump(by_alias=True, exclude={"built", "sources", "folder"})
            rows.append({**facts, "tag": planned.tag, "built": has_image(client, planned.tag)})
    if as_json:
        click.echo(json.dumps({"images": rows}, indent=2, ensure_ascii=False))
        return
    for row in rows:
        state = "built" if row["built"] else "not built"
        click.echo(f"{row['id']:<12} {state:<10} {row['tag']:<36} {row['title']['en']}")


def _line(one: BuiltImage) -> str:
    done = f"built in {one.seconds:.0f} s" if one.fresh else "was there"
    return f"{one.id:<12} {done:<14} {one.bytes / 1e6:6.0f} MB  {one.tag}"
