"""If it is not described, it does not exist: settings, errors, commands, routes and folders."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import hub_config
from hub_config.cli.__main__ import radlab
from hub_config.errors import RadLabError
from hub_config.settings import Settings

ROOT = Path(__file__).parents[1]
SERVICES = {"jupyterhub_config", "migrations", "__main__"}


def all_modules() -> Iterator[str]:
    for found in pkgutil.walk_packages(hub_config.__path__, "hub_config."):
        if not SERVICES & set(found.name.split(".")):
            yield found.name


def all_errors() -> list[type[RadLabError]]:
    for name in all_modules():
        importlib.import_module(name)
    found: list[type[RadLabError]] = []
    waiting = [RadLabError]
    while waiting:
        kind = waiting.pop()
        found.append(kind)
        waiting.extend(kind.__subclasses__())
    return [kind for kind in found if kind.__module__.startswith("hub_config")]


def all_commands() -> Iterator[tuple[str, click.Command]]:
    waiting: list[tuple[str, click.Command]] = [("radlab", radlab)]
    while waiting:
        name, command = waiting.pop()
        yield name, command
        if isinstance(command, click.Group):
            context = click.Context(command)
            for child in command.list_commands(context):
                found = command.get_command(context, child)
                assert found is not None
                waiting.append((f"{name} {child}", found))


def test_every_setting_has_help_and_stands_in_the_readme() -> None:
    readme = (ROOT / "hub_config" / "README.md").read_text()
    for name, trait in Settings.class_traits().items():
        assert trait.help, f"the setting {name} has no help"
        assert f"`{name}`" in readme, f"hub_config/README.md does not describe `{name}`"


def test_every_error_has_a_sentence_a_status_and_a_code_of_its_own() -> None:
    codes: dict[str, type[RadLabError]] = {}
    for kind in all_errors():
        assert kind.__doc__, f"{kind.__name__} has no docstring"
        assert 400 <= kind.status < 600, kind
        other = codes.setdefault(kind.code, kind)
        assert other is kind, f"{kind.__name__} and {other.__name__} share the code {kind.code}"


def test_every_command_and_option_says_what_it_does() -> None:
    for name, command in all_commands():
        assert command.help or command.short_help, f"`{name}` has no help"
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"`{name} {parameter.opts[0]}` has no help"


def test_every_command_stands_in_a_readme() -> None:
    readmes = "\n".join(
        path.read_text() for path in ROOT.rglob("README.md") if "node_modules" not in path.parts
    )
    for name, command in all_commands():
        if not isinstance(command, click.Group):
            assert f"./{name}" in readmes, f"no README shows `./{name}`"


def test_every_route_is_described() -> None:
    api = json.loads((ROOT / "hub_config" / "portal" / "openapi.json").read_text())
    for path, verbs in api["paths"].items():
        for verb, route in verbs.items():
            said = route.get("summary") and route.get("description")
            assert said, f"{verb.upper()} {path} has no summary and description"


def parts() -> list[Path]:
    top = [ROOT / name for name in ("hub_config", "images", "courses", "datasets", "tests")]
    return top


@pytest.mark.parametrize("folder", parts(), ids=lambda p: p.name)
def test_every_folder_has_a_readme_that_names_what_is_in_it(folder: Path) -> None:
    readme = (folder / "README.md").read_text()
    for child in folder.iterdir():
        hidden = child.name.startswith((".", "_")) or child.name == "locale"
        if child.is_dir() and not hidden and any(child.rglob("*.*")):
            assert f"`{child.name}/" in readme, f"{folder.name}/README.md: nothing on {child.name}/"


SLICES = "groups offers network gpus usage queueing containers invites spawning keeper portal"


@pytest.mark.parametrize("slice_name", SLICES.split())
def test_every_slice_has_a_readme(slice_name: str) -> None:
    text = (ROOT / "hub_config" / slice_name / "README.md").read_text().lower()
    for heading in ("start reading here", "never"):
        assert heading in text, f"{slice_name}/README.md does not say: {heading}"


def test_every_public_thing_has_a_docstring() -> None:
    bare = []
    for name in all_modules():
        module = importlib.import_module(name)
        assert module.__doc__, f"{name} has no docstring"
        for thing_name, thing in vars(module).items():
            public = not thing_name.startswith("_")
            ours = getattr(thing, "__module__", None) == name
            described = not (inspect.isclass(thing) or inspect.isfunction(thing)) or thing.__doc__
            if public and ours and not described:
                bare.append(f"{name}.{thing_name}")
    assert not bare, "without a docstring: " + ", ".join(bare)
