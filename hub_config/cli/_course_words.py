"""`./radlab course words`: the sheet that a translator fills, kept in step with the lesson."""

from __future__ import annotations

from pathlib import Path

import click

from hub_config.errors import BadInput
from hub_config.machine import checkout
from hub_config.offers.lessons import LESSON, PROSE, read_lesson, with_gaps
from hub_config.offers.modules import METADATA
from hub_config.offers.prose import CHINESE, Prose, digest, paragraphs, read_prose, seen_texts

ENGLISH = "[[{}]]"


class NoLesson(BadInput):
    """There is no lesson to translate."""

    code = "no_lesson"


@click.command("words")
@click.argument("module", metavar="FOLDER|ID")
@click.option("--write", is_flag=True, help="Write it into lesson.zh.md instead of printing it.")
def command(module: str, write: bool) -> None:
    """Print lesson.zh.md as it should be: what is translated, and [[English]] where it is not.

    Stale translations are left out, and what the lesson gained since stands in double brackets.
    """
    folder = Path(module) if (Path(module) / METADATA).is_file() else _course(module)
    path = folder / PROSE["zh_CN"]
    text = sheet(folder)
    if write:
        path.write_text(text, encoding="utf-8")
        return click.echo(f"{path}: {text.count(ENGLISH[:2])} texts are to be translated.")
    click.echo(text, nl=False)


def sheet(folder: Path) -> str:
    """The whole of lesson.zh.md for the lesson in `folder`."""
    path = folder / PROSE["zh_CN"]
    prose = read_prose(path) if path.exists() else Prose(path)
    blocks: list[str] = []
    for cell in read_lesson(folder / LESSON):
        if cell.kind == "markdown":
            for text in paragraphs(cell.source):
                mark = digest(text)
                said = prose.paragraphs.get((cell.name, mark), ENGLISH.format(text))
                blocks.append(f"<!-- {cell.name} {mark} -->\n{said}\n")
            continue
        source = with_gaps(cell.source, "zh_CN")
        phrases = prose.phrases.get(cell.name, {}).items()
        known = {k: v for k, v in phrases if k in source and not v.startswith(ENGLISH[:2])}
        lines = [f"- {text} => {said}" for text, said in known.items()]
        for said in sorted(known, key=len, reverse=True):
            source = source.replace(said, known[said])
        for text in dict.fromkeys(seen_texts(source)):
            if not CHINESE.search(text):
                lines.append(f"- {text} => {ENGLISH.format(text)}")
        if lines:
            blocks.append("\n".join([f"<!-- {cell.name}: code -->", *lines]) + "\n")
    return "\n".join(blocks)


def _course(word: str) -> Path:
    folder = checkout.root() / "courses" / word
    if not (folder / METADATA).is_file():
        raise NoLesson(
            "'{word}' is neither a folder with a module.yaml nor a module of courses/.",
            given=word,
            do="Give the folder of a module.",
            word=word,
        )
    return folder
