"""`./radlab course grade`: points of students' notebooks, by the published checks."""

from __future__ import annotations

from pathlib import Path

import click

from hub_config.cli._site import print_json, print_table
from hub_config.machine.course_grading import Grade, grade_all
from hub_config.settings import load_settings


@click.command("grade")
@click.argument("module", metavar="ID")
@click.argument(
    "notebooks", nargs=-1, required=True, metavar="NOTEBOOK...", type=click.Path(path_type=Path)
)
@click.option("--language", default="en", show_default=True, help="Language of what checks say.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Notebooks at a time; each takes the cores and the memory of a session.",
)
@click.option("--here", is_flag=True, help="Run in this Python: only for notebooks you trust.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    module: str,
    notebooks: tuple[Path, ...],
    language: str,
    jobs: int,
    here: bool,
    as_json: bool,
) -> None:
    """Run students' notebooks and judge their answers by the checks of their version.

    Each runs in a container of its own, offline, within a time limit. Answers are found by their
    names, so a copied, moved or renamed cell counts. The quiz is not graded: its answers are not in
    the notebook.
    """
    grades = grade_all(load_settings(), module, notebooks, language=language, jobs=jobs, here=here)
    if as_json:
        return print_json(grades)
    print_table([["notebook", "version", "points", "left open or wrong"], *map(_row, grades)])


def _row(grade: Grade) -> list[str]:
    open_ones = [id for id, mark in grade.exercises.items() if not mark.passed]
    told = ", ".join(open_ones) or "nothing"
    more = f" ({grade.problem})" if grade.problem else ""
    return [grade.notebook, grade.version, f"{grade.points} of {grade.of}", told + more]
