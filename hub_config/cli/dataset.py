"""`./radlab dataset`: generate sample sets, import a teacher's own, list, show and verify them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from dicom_archive.errors import Damaged
from dicom_archive.generate import generate, sample_card
from dicom_archive.ingest import Options, Report, import_images
from dicom_archive.manifest import find_damage, read_manifest
from dicom_archive.wrap import MODALITIES, ORIENTATIONS, Fields
from dicom_catalog import Catalog
from dicom_catalog.pictures import text_table
from dicom_synthetic import GENERATORS
from hub_config import clock
from hub_config.cli._datasets import CARDS, bar, refusals, say, store


@click.group()
def command() -> None:
    """Datasets: generate, import, list, show, verify."""


@command.command("generate")
@click.argument("name", metavar="|".join(GENERATORS))
@click.option(
    "--patients", type=click.IntRange(1, 100_000), help="How many; the card says, if not."
)
@click.option("--seed", type=click.IntRange(0), help="Same seed, same bytes.")
@click.option("--version", help="Version to publish, such as 1.1.0.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
def generate_command(
    name: str, patients: int | None, seed: int | None, version: str | None, as_json: bool
) -> None:
    """Make a sample dataset: computed, labelled exactly, marked SYNTHETIC."""
    with refusals(), bar(f"Generating {name}", as_json) as progress:
        result = generate(
            store(),
            sample_card(CARDS, name),
            published=clock.to_iso(clock.now()),
            patients=patients,
            seed=seed,
            version=version,
            progress=progress,
        )
    say(result, as_json)


@command.command("import")
@click.argument("name")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--target", required=True, help="Column of the table that is to be predicted.")
@click.option(
    "--labels",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="CSV table of labels; if not given, the only one in the folder.",
)
@click.option("--file-column", help="Column that names the image; if not given, found by trying.")
@click.option("--patient-column", help="Column that tells patients apart (default: patient_id).")
@click.option("--image-is-patient", is_flag=True, help="Each picture is of another patient.")
@click.option("--version", default="1.0.0", show_default=True, help="Version to publish.")
@click.option("--modality", type=click.Choice(MODALITIES), help="Modality of pictures.")
@click.option("--body-part", default="", help="Body Part Examined of pictures, such as CHEST.")
@click.option("--view", type=click.Choice(sorted(ORIENTATIONS)), help="View of all pictures.")
@click.option(
    "--laterality", type=click.Choice(["L", "R", "B", "U"]), default="U", help="Side (U: unpaired)."
)
@click.option("--pixel-spacing", type=click.FloatRange(0, min_open=True), help="Millimetres.")
@click.option("--title", help="Title in English.")
@click.option("--title-zh", help="Title in Chinese.")
@click.option("--source", default=Options.source, help="Where the images come from.")
@click.option("--licence", default=Options.licence, help="Under which licence they may be used.")
@click.option("--citation", default="", help="How to cite them.")
@click.option("--population", default=Options.population, help="Who was imaged.")
@click.option("--limit", "limits", multiple=True, help="A known limit; may be given repeatedly.")
@click.option("--declare-deidentified", is_flag=True, help="I declare that they are de-identified.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
def import_command(
    name: str,
    path: Path,
    as_json: bool,
    declare_deidentified: bool,
    limits: tuple[str, ...],
    body_part: str,
    view: str | None,
    laterality: str,
    pixel_spacing: float | None,
    **said: Any,
) -> None:
    """Publish the images under PATH as dataset NAME.

    DICOM files, or PNG and JPEG, which become DICOM, with a CSV table of labels.
    """
    options = Options(
        name=name,
        declared=declare_deidentified or _declaration(as_json),
        fields=Fields("OT", body_part, view or "", laterality, pixel_spacing),
        limits=limits or Options.limits,
        **said,
    )
    with refusals(), bar(f"Importing {name}", as_json) as progress:
        report = import_images(
            store(),
            path.absolute(),
            options,
            published=clock.to_iso(clock.now()),
            progress=progress,
        )
    _say_report(report, as_json)


def _declaration(as_json: bool) -> bool:
    """Ask who sits at a terminal; a script says --declare-deidentified."""
    terminal = sys.stdin.isatty()
    return bool(
        terminal
        and not as_json
        and click.confirm(
            "Students will see these images. Do you declare that they are de-identified: names and "
            "numbers removed from the headers, no face and no burned-in text that names a person?",
            err=True,
        )
    )


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="The list as JSON.")
def list_command(as_json: bool) -> None:
    """All datasets with their versions."""
    found = _published()
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
    elif not found:
        click.echo("There is no dataset yet. Make one: ./radlab dataset generate chest-film")
    else:
        head = ("dataset", "version", "images", "patients", "published")
        click.echo(text_table(head, [[one[key] for key in head] for one in found]))


def _published() -> list[dict[str, Any]]:
    root = store().visible
    if not root.is_dir():
        return []
    catalog = Catalog(root)
    versions = [(name, version) for name in catalog for version in catalog.versions(name)]
    return [_facts(root / name / version) for name, version in versions]


def _facts(folder: Path) -> dict[str, Any]:
    with refusals():
        manifest = read_manifest(folder)
    return {key: value for key, value in manifest.items() if key != "files"}


@command.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Card and manifest as JSON.")
def show_command(name: str, as_json: bool) -> None:
    """Card, splits and origin of NAME or NAME@VERSION."""
    with refusals():
        folder = store().find(name)
    dataset = Catalog(folder.parents[1])[f"{folder.parent.name}@{folder.name}"]
    facts = _facts(folder)
    if as_json:
        facts |= {"title": dataset.card.title, "splits": dataset.splits, "target": dataset.target}
        facts |= {"classes": dataset.classes, "licence": dataset.licence, "folder": str(folder)}
        click.echo(json.dumps(facts, ensure_ascii=False))
        return
    click.echo(repr(dataset))
    click.echo(f"published  {facts['published']}, root hash {facts['root'][:16]}")
    click.echo(f"folder     {folder}")


@command.command("verify")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="The damage as JSON.")
def verify_command(name: str, as_json: bool) -> None:
    """Hash each file of NAME again; exit status 1 where one is not as published."""
    with refusals():
        folder = store().find(name)
        with bar(f"Verifying {folder.parent.name}@{folder.name}", as_json) as progress:
            damage = find_damage(folder, progress)
        if as_json and not damage:
            click.echo(json.dumps({"damage": damage}))
        if damage:
            shown = "; ".join(damage[:10]) + (" ..." if len(damage) > 10 else "")
            raise Damaged(
                f"{folder.parent.name}@{folder.name} is not as it was published: {shown}. Remove "
                f"{folder} and publish it again."
            )
    if not as_json:
        click.echo(f"{folder.parent.name}@{folder.name} is as it was published.")


def _say_report(report: Report, as_json: bool) -> None:
    assert report.published is not None
    for file, reason in report.left_out:
        click.secho(f"Left out {file}: {reason}.", fg="yellow", err=True)
    notes = {
        "{} other files were not looked at.": report.other_files,
        "{} rows of the table name no image here.": report.rows_without_image,
        "{} files do not say Patient Identity Removed (0012,0062): check them.": (
            report.not_marked_deidentified
        ),
    }
    for text, count in notes.items():
        if count:
            click.echo(text.format(count), err=True)
    say(report.published, as_json)
