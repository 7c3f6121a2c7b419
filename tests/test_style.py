"""The hooks of .pre-commit-config.yaml, run whole: what is configured there is what is proved."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
CONFIG = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
HOOKS = [hook for repo in CONFIG["repos"] for hook in repo["hooks"]]


@pytest.mark.parametrize("hook", HOOKS, ids=[hook["id"] for hook in HOOKS])
def test_a_hook_finds_nothing(hook: dict[str, str]) -> None:
    tools = os.path.dirname(sys.executable)
    environment = {**os.environ, "PATH": os.pathsep.join([tools, os.environ["PATH"]])}
    done = subprocess.run(
        shlex.split(hook["entry"]),
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_hooks_need_nothing_from_the_network() -> None:
    assert {repo["repo"] for repo in CONFIG["repos"]} == {"local"}
    assert {hook["id"] for hook in HOOKS} == {"ruff-check", "ruff-format", "mypy"}
