"""`./radlab dataset generate`: sample sets, computed from a seed."""

from __future__ import annotations

import json

import click

from dicom_archive.errors import BadKnob
from dicom_archive.generate import GENERATORS, generate, sample_card
from hub_config import clock
from hub_config.cli._datasets import CARDS, audience, bar, refusals, say, store


@click.command("generate")
@click.argument("name", metavar="|".join(GENERATORS))
@click.option(
    "--patients", type=click.IntRange(1, 100_000), help="How many; the card says, if not."
)
@click.option("--seed", type=click.IntRange(0), help="Same seed, same bytes.")
@click.option(
    "--knob",
    "knobs",
    multiple=True,
    metavar="NAME=VALUE",
    help="How hard, or a planted shortcut; --knobs lists them. Give it a --version of its own.",
)
@click.option("--knobs", "list_knobs", is_flag=True, help="List the knobs and make nothing.")
@click.option("--to", "groups", multiple=True, metavar="GROUP", help="Only these groups see it.")
@click.option("--draft", is_flag=True, help="Nobody sees it before ./radlab dataset publish.")
@click.option("--version", help="Version to publish, such as 1.1.0.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
def generate_command(
    name: str,
    patients: int | None,
    seed: int | None,
    knobs: tuple[str, ...],
    list_knobs: bool,
    groups: tuple[str, ...],
    draft: bool,
    version: str | None,
    as_json: bool,
) -> None:
    """Make a sample dataset: computed, labelled exactly, marked SYNTHETIC."""
    with refusals():
        card = sample_card(CARDS, name)
        if list_knobs:
            _say_knobs(name, as_json)
            return
        with bar(f"Generating {name}", as_json) as progress:
            result = generate(
                store(),
                card,
                published=clock.to_iso(clock.now()),
                patients=patients,
                seed=seed,
                version=version,
                knobs=_turned(knobs),
                to=audience(groups, draft),
                progress=progress,
            )
    say(result, as_json)


def _turned(given: tuple[str, ...]) -> dict[str, float]:
    turned = {}
    for text in given:
        name, equals, value = text.partition("=")
        try:
            turned[name.strip()] = float(value)
        except ValueError:
            equals = ""
        if not equals:
            raise BadKnob(f"'{text}' turns no knob. Write NAME=NUMBER, such as contrast=0.5.")
    return turned


def _say_knobs(name: str, as_json: bool) -> None:
    knobs = GENERATORS[name].knobs
    if as_json:
        facts = {
            key: {"help": k.help, "default": k.default, "low": k.low, "high": k.high}
            for key, k in knobs.items()
        }
        click.echo(json.dumps(facts, ensure_ascii=False))
        return
    for key, knob in knobs.items():
        click.echo(f"{key} = {knob.default:g}  ({knob.low:g} to {knob.high:g}): {knob.help}")
    if not knobs:
        click.echo(f"{name} has no knobs.")
