"""Torch and MONAI on a dataset, in the real container of a student who has them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import docker
import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "datasets"))
from small_version import ct_version, photo_version  # noqa: E402

pytestmark = [pytest.mark.engine, pytest.mark.images]


def test_what_torch_and_monai_are_promised_is_kept_in_a_students_container(
    docker_client: docker.DockerClient, plan: Mapping[str, Any], tmp_path: Path
) -> None:
    ct_version(tmp_path)
    photo_version(tmp_path)
    # What a test wrote is its owner's alone; a student of the container reads it.
    for path in (tmp_path, *tmp_path.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    script = HERE / "learning_in_container.py"
    output = docker_client.containers.run(
        plan["imaging"].tag, ["python", "-I", "/check.py"], remove=True, read_only=True,
        tmpfs={"/tmp": "mode=1777"}, cap_drop=["ALL"], security_opt=["no-new-privileges"],
        pids_limit=plan["imaging"].image.pids, network_mode="none", mem_limit="3g",
        environment={"MPLCONFIGDIR": "/tmp/matplotlib"},
        volumes={
            str(tmp_path): {"bind": "/datasets", "mode": "ro"},
            str(script): {"bind": "/check.py", "mode": "ro"},
        },
    ).decode()  # fmt: skip
    checks = script.read_text().count("\ndef check_")
    assert checks >= 10 and output.count("kept: ") == checks, output
