"""`environment.yml` for users of conda, made from the `pyproject.toml` files.

`python -m hub_config.machine.conda > environment.yml` writes it; a test compares.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

from hub_config.machine import checkout

_HEAD = """\
# Made from pyproject.toml by `python -m hub_config.machine.conda`; do not edit.
name: radlab
channels:
  - conda-forge
dependencies:
  - python{python}
  - pip
  - pip:
"""


def environment(root: Path) -> str:
    """The text of `environment.yml` for a checkout: all that its distributions depend on."""
    first = _project(root)
    ours = {_project(root / folder)["name"] for folder in checkout.PROJECTS}
    wanted: dict[str, str] = {}
    for folder in checkout.PROJECTS:
        for requirement in _project(root / folder).get("dependencies", []):
            name = _name(requirement)
            if name not in ours:
                wanted.setdefault(name, requirement)
    lines = [f'      - "{requirement}"' for _, requirement in sorted(wanted.items())]
    return _HEAD.format(python=first["requires-python"]) + "\n".join(lines) + "\n"


def _project(folder: Path) -> dict[str, Any]:
    return dict(tomllib.loads((folder / "pyproject.toml").read_text())["project"])


def _name(requirement: str) -> str:
    for end, character in enumerate(requirement):
        if not (character.isalnum() or character in "-_."):
            return requirement[:end].lower().replace("_", "-")
    return requirement.lower().replace("_", "-")


if __name__ == "__main__":
    sys.stdout.write(environment(checkout.root()))
