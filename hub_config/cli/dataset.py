"""`./radlab dataset`: versions of datasets, from how they are made to how they are taken back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from dicom_archive.diff import Difference, compare
from dicom_archive.errors import Damaged
from dicom_archive.manifest import read_manifest
from dicom_archive.store import Store
from dicom_catalog.card import read_card
from dicom_catalog.catalog import CARD_NAME
from dicom_catalog.pictures import text_table
from hub_config import clock
from hub_config.cli._dataset_generate import generate_command
from hub_config.cli._dataset_import import export_command, import_command
from hub_config.cli._datasets import audience, bar, refusals, store

_MOST_LINES = 10
_SPLITS = ("train", "validation", "test")


@click.group()
def command() -> None:
    """Datasets: generate, import, export, publish, list, show, verify, diff, withdraw."""


command.add_command(generate_command)
command.add_command(import_command)
command.add_command(export_command)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="The list as JSON.")
def list_command(as_json: bool) -> None:
    """All datasets with their versions, and who sees each."""
    lab = store()
    with refusals():
        found = [_facts(lab, n, v) for n in lab.names() for v in lab.versions(n)]
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
    elif not found:
        click.echo("There is no dataset yet. Make one: ./radlab dataset generate chest-film")
    else:
        head = ("dataset", "version", "images", "patients", "published", "seen by")
        rows = [[*(one[key] for key in head[:-1]), _seen(one)] for one in found]
        click.echo(text_table(head, rows))


def _facts(lab: Store, name: str, version: str) -> dict[str, Any]:
    """The manifest without its files, and how it stands with this version now."""
    manifest = read_manifest(lab.folder(name, version))
    taken_back = lab.withdrawn(name, version)
    return {
        **{key: value for key, value in manifest.items() if key != "files"},
        "seen_by": lab.seen_by(name, version),
        "withdrawn": None if taken_back is None else vars(taken_back),
    }


def _seen(facts: dict[str, Any]) -> str:
    if facts["withdrawn"]:
        return f"nobody: withdrawn ({facts['withdrawn']['reason']})"
    groups = facts["seen_by"]
    if "everyone" in groups:
        return "everyone"
    return ", ".join(groups) or "nobody: a draft"


@command.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Card and manifest as JSON.")
def show_command(name: str, as_json: bool) -> None:
    """Card, splits and origin of NAME or NAME@VERSION."""
    lab = store()
    with refusals():
        folder = lab.find(name)
        facts = _facts(lab, folder.parent.name, folder.name)
    card = read_card(folder / CARD_NAME)
    if as_json:
        target = card.target
        facts |= {"title": card.title, "task": card.task, "licence": card.licence}
        facts |= {"target": target and target.column, "classes": target and target.classes}
        facts |= {"limits": card.limits, "source": card.source, "folder": str(folder)}
        click.echo(json.dumps(facts, ensure_ascii=False))
        return
    click.echo(f"{folder.parent.name}@{folder.name}: {card.title}")
    lines = {
        "task": f"{card.task}, {card.modality}",
        "images": f"{facts['images']} of {facts['patients']} patients",
        "splits": _counted(facts.get("splits", {}).get("images", {}), _SPLITS),
        "labels": _target_line(facts, card.target.column if card.target else None),
        "segments": _counted(facts.get("structures", {}).get("segments", {})),
        "boxes": _counted(facts.get("structures", {}).get("boxes", {})),
        "licence": card.licence,
        "cite as": card.citation,
        "source": card.source,
        "limits": " ".join(card.limits),
        "seen by": _seen(facts),
        "published": f"{facts['published']}, root hash {facts['root'][:16]}",
        "since": _since(facts),
        "folder": str(folder),
    }
    for head, text in lines.items():
        if text:
            click.echo(f"{head:<10} {text}")


def _counted(counts: dict[str, int], order: tuple[str, ...] = ()) -> str:
    names = [*(name for name in order if name in counts), *sorted(set(counts) - set(order))]
    return ", ".join(f"{name} {counts[name]}" for name in names)


def _target_line(facts: dict[str, Any], column: str | None) -> str:
    counts = facts.get("labels", {}).get(column)
    return f"{column}: {_counted(counts)}" if counts else ""


def _since(facts: dict[str, Any]) -> str:
    if not facts.get("parent"):
        return ""
    changes = facts["difference"]
    counts = ", ".join(f"{len(changes[key])} {key}" for key in ("added", "removed", "changed"))
    return f"{facts['parent']['version']}: {counts}, {changes['same']} files the same"


@command.command("verify")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="The damage as JSON.")
def verify_command(name: str, as_json: bool) -> None:
    """Hash each file of NAME again; exit status 1 where one is not as published."""
    lab = store()
    with refusals():
        folder = lab.find(name)
        shown = f"{folder.parent.name}@{folder.name}"
        with bar(f"Verifying {shown}", as_json) as progress:
            damage = lab.damage(folder.parent.name, folder.name, progress)
        if damage:
            raise Damaged(
                f"{shown} is not as it was published: {_shortened(damage)}. Withdraw it, and "
                f"publish the next version from its source; {folder} is what is left."
            )
    if as_json:
        click.echo(json.dumps({"damage": damage}))
    else:
        click.echo(f"{shown} is as it was published.")


def _shortened(sentences: list[str]) -> str:
    return "; ".join(sentences[:_MOST_LINES]) + (" ..." if len(sentences) > _MOST_LINES else "")


@command.command("diff")
@click.argument("older", metavar="NAME@VERSION")
@click.argument("newer", metavar="NAME@VERSION")
@click.option("--json", "as_json", is_flag=True, help="The difference as JSON.")
def diff_command(older: str, newer: str, as_json: bool) -> None:
    """What changed between two versions: files, patients, labels, splits, card."""
    lab = store()
    with refusals():
        before, after = lab.find(older), lab.find(newer)
        found = compare(before, after)
    if as_json:
        click.echo(json.dumps(found.as_json(), ensure_ascii=False))
        return
    lines = _difference_lines(found)
    heads = f"{before.parent.name}@{before.name}", f"{after.parent.name}@{after.name}"
    click.echo(f"From {heads[0]} to {heads[1]}" + (":" if lines else " nothing changed."))
    for line in lines:
        click.echo("  " + line)


def _difference_lines(found: Difference) -> list[str]:
    named = {
        "files added": found.files.added,
        "files removed": found.files.removed,
        "files with other bytes": found.files.changed,
        "patients added": found.patients_added,
        "patients removed": found.patients_removed,
        "labels changed": [f"{n} of {uid}: {a} -> {b}" for uid, n, a, b in found.labels],
        "patients in another split": [f"{who}: {a} -> {b}" for who, a, b in found.splits],
    }
    lines = []
    for head, members in named.items():
        if members:
            lines.append(f"{len(members)} {head}")
            lines += [f"  {one}" for one in members[:_MOST_LINES]]
            lines += ["  ..."] * (len(members) > _MOST_LINES)
    return lines + [f"card, {name}: {a} -> {b}" for name, a, b in found.card]


@command.command("publish")
@click.argument("name", metavar="NAME@VERSION")
@click.option("--to", "groups", multiple=True, metavar="GROUP", help="Only these groups see it.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
def publish_command(name: str, groups: tuple[str, ...], as_json: bool) -> None:
    """Show a draft, or a version that some groups see, to everyone or to more groups."""
    lab = store()
    with refusals():
        folder = lab.find(name)
        result = lab.show(folder.parent.name, folder.name, audience(groups))
    facts = {"name": result.name, "version": result.version, "new": result.new}
    facts["seen_by"] = lab.seen_by(result.name, result.version)
    if as_json:
        click.echo(json.dumps(facts))
        return
    who = "everyone" if not groups else ", ".join(groups)
    said = "is seen by" if result.new else "was seen already by"
    click.echo(f"{result.name}@{result.version} {said} {who}; running sessions see it, too.")


@command.command("withdraw")
@click.argument("name", metavar="NAME@VERSION")
@click.option("--reason", required=True, help="What whoever opens it is told.")
@click.option("--instead", metavar="NAME@VERSION", help="Which to use instead.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
def withdraw_command(name: str, reason: str, instead: str | None, as_json: bool) -> None:
    """Take a version back: it stays named, and whoever opens it is told why it is gone."""
    if "@" not in name:
        raise click.UsageError(f"say which version of {name} is withdrawn: {name}@VERSION")
    lab = store()
    with refusals():
        folder = lab.find(name)
        when = clock.to_iso(clock.now())
        result = lab.withdraw(folder.parent.name, folder.name, reason, when, instead)
    if as_json:
        click.echo(json.dumps({"name": name, **vars(result)}, ensure_ascii=False))
        return
    before = "" if result.when == when else f" already on {result.when[:10]}"
    click.echo(f"{name} is withdrawn{before}: {result.reason}. Its files stay in {Path(folder)}.")
