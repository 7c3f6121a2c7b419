"""`./radlab COMMAND`: finds the commands of this folder and says refusals as sentences."""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from typing import Any

import click

import hub_config.cli as commands
from hub_config.errors import RadLabError, nearest

# Order of the help page: what runs the platform first, what teaches with it after.
_ORDER = ("up", "down", "status", "logs", "doctor", "test", "bench")


def _names() -> list[str]:
    found = [m.name for m in pkgutil.iter_modules(commands.__path__) if not m.name.startswith("_")]
    found = [name for name in found if hasattr(_module(name), "command")]
    return sorted(found, key=lambda n: (_ORDER.index(n) if n in _ORDER else len(_ORDER), n))


def _module(name: str) -> Any:
    return importlib.import_module(f"hub_config.cli.{name}")


class Radlab(click.Group):
    """All commands, each imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands, in the order of the help page."""
        return _names()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name; None where there is none."""
        known = [m.name for m in pkgutil.iter_modules(commands.__path__)]
        if cmd_name not in known or cmd_name.startswith("_"):
            return None
        found = getattr(_module(cmd_name), "command", None)
        return found if isinstance(found, click.Command) else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """The command that was asked for, or a hint at the nearest."""
        if args and self.get_command(ctx, args[0]) is None:
            hint = nearest(args[0], _names())
            ctx.fail(f"there is no command '{args[0]}'.{hint} `./radlab --help` lists them.")
        return super().resolve_command(ctx, args)


@click.command(cls=Radlab, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version="0.1.0", prog_name="radlab")
def radlab() -> None:
    """RadLab: the platform on which deep learning for medical imaging is taught."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit status (1: refused, 2: wrong words)."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        result = radlab.main(arguments, prog_name="radlab", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except RadLabError as error:
        if "--json" in arguments:
            click.echo(json.dumps(error.as_dict(), default=str, ensure_ascii=False))
        else:
            click.secho(str(error), fg="red", err=True)
        return 1
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.Abort:
        click.echo("Stopped.", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
