"""`./radlab size`: the named sizes that students may choose from."""

from __future__ import annotations

import click

from hub_config.cli._site import print_json, print_table
from hub_config.offers.host import Host, this_host
from hub_config.offers.sizes import Numbers, Size, load_sizes
from hub_config.settings import load_settings


@click.group("size", no_args_is_help=True)
def command() -> None:
    """Named sizes of sessions: list them."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List the sizes: cores, memory, GPUs, who may choose them, what this machine cannot hold."""
    sizes, host = load_sizes(load_settings().path("offers", "sizes.yaml")), this_host()
    if as_json:
        return print_json([{**size.model_dump(), "held": _held(size, host)} for size in sizes])
    if not len(sizes):
        return click.echo("No size is listed: every lab and environment has its own numbers.")
    head = ("SIZE", "CORES", "GB", "GPUS", "GPU GB", "MINUTES", "GROUPS", "")
    print_table([head, *(_line(size, host) for size in sizes)])


def _held(size: Size, host: Host) -> bool:
    return host.holds(size.numbers(Numbers(cpus=size.cpus, memory_gb=size.memory_gb)))


def _line(size: Size, host: Host) -> tuple[str, ...]:
    too_large = f"more than this machine has: {host.cpus} cores, {host.memory_gb} GB"
    any_card = "any" if size.gpus else "-"
    return (
        size.id,
        f"{size.cpus:g}",
        f"{size.memory_gb:g}",
        str(size.gpus),
        f"{size.gpu_memory_gb:g}" if size.gpu_memory_gb else any_card,
        str(size.minutes or "the lab's"),
        ", ".join(size.groups) if size.groups else "everybody",
        "" if _held(size, host) else too_large,
    )
