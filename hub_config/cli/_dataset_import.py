"""`./radlab dataset import` and `export`: what a teacher has comes in, and labels go out again."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from dicom_archive.importing.giving_back import KINDS, give_back
from dicom_archive.ingest import Options, Report, import_images
from dicom_archive.wrap import MODALITIES, ORIENTATIONS, Fields
from dicom_catalog import Catalog
from hub_config import clock
from hub_config.cli._datasets import audience, bar, refusals, say, store


@click.command("import")
@click.argument("name")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--target", help="Column of the table that is to be predicted, if there is one.")
@click.option(
    "--labels",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="CSV table of labels; if not given, the only one in the folder.",
)
@click.option(
    "--marks",
    type=click.Path(path_type=Path),
    help="Masks, COCO, Pascal VOC or a table of boxes; if not given, those in the folder.",
)
@click.option(
    "--structure",
    "structures",
    multiple=True,
    metavar="[NUMBER=]NAME",
    help="What a value of the masks is called; one NAME alone for all that is marked.",
)
@click.option("--objects", default="", help="Each value of a mask is one object of this name.")
@click.option("--tiles", is_flag=True, help="Each folder of pictures x1_y2 is one whole slide.")
@click.option("--file-column", help="Column that names the image; if not given, found by trying.")
@click.option("--patient-column", help="Column that tells patients apart (default: patient_id).")
@click.option(
    "--patient-pattern", help="Regular expression: what it finds in the path is the patient."
)
@click.option("--image-is-patient", is_flag=True, help="Each picture is of another patient.")
@click.option("--version", default="1.0.0", show_default=True, help="Version to publish.")
@click.option("--modality", type=click.Choice(MODALITIES), help="Modality of what is not DICOM.")
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
@click.option("--to", "groups", multiple=True, metavar="GROUP", help="Only these groups see it.")
@click.option("--draft", is_flag=True, help="Nobody sees it before ./radlab dataset publish.")
@click.option("--declare-deidentified", is_flag=True, help="I declare that they are de-identified.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
def import_command(
    name: str,
    path: Path,
    as_json: bool,
    declare_deidentified: bool,
    limits: tuple[str, ...],
    groups: tuple[str, ...],
    draft: bool,
    body_part: str,
    view: str | None,
    laterality: str,
    pixel_spacing: float | None,
    marks: Path | None,
    **said: Any,
) -> None:
    """Publish the images under PATH as dataset NAME.

    PATH is a folder, a zip file or a DICOMDIR, of DICOM, PNG, JPEG, NIfTI or TIFF slides. Labels
    may be a CSV table, masks, COCO or Pascal VOC. Killed, the same command goes on where it was.
    """
    with refusals():
        to = audience(groups, draft)
    options = Options(
        name=name,
        declared=declare_deidentified or _declaration(as_json),
        fields=Fields("OT", body_part, view or "", laterality, pixel_spacing),
        limits=limits or Options.limits,
        marks=None if marks is None else marks.absolute(),
        to=to,
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


def _say_report(report: Report, as_json: bool) -> None:
    assert report.published is not None
    for file, reason in report.left_out:
        click.secho(f"Left out {file}: {reason}.", fg="yellow", err=True)
    notes = {
        "{} files were taken before this command was started again.": report.resumed,
        "{} other files were not looked at.": report.other_files,
        "{} rows of the table name no image here.": report.rows_without_image,
        "{} images have nothing marked: they count as images on which nothing is.": (
            report.images_without_marks
        ),
        "{} names in the label files are of no image here.": len(report.marks_without_image),
        "{} files do not say Patient Identity Removed (0012,0062): check them.": (
            report.not_marked_deidentified
        ),
    }
    for text, count in notes.items():
        if count:
            click.echo(text.format(count), err=True)
    say(report.published, as_json)


@click.command("export")
@click.argument("name")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--as", "kind", type=click.Choice(list(KINDS)), required=True, help="Format of the labels."
)
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
def export_command(name: str, folder: Path, kind: str, as_json: bool) -> None:
    """Give the labels of NAME or NAME@VERSION back, into the new FOLDER."""
    with refusals():
        found = store().find(name)
        dataset = Catalog(found.parents[1])[f"{found.parent.name}@{found.name}"]
        written = give_back(dataset, kind, folder.absolute())
    if as_json:
        click.echo(json.dumps({"files": written, "folder": str(folder.absolute())}))
    else:
        click.echo(f"Wrote {written} file{'s' * (written != 1)} of labels to {folder}.")
