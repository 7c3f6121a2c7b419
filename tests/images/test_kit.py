"""The kit's training, detector and metrics beside MONAI's, in the container of a student."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import docker
import pytest

HERE = Path(__file__).parent

pytestmark = [pytest.mark.engine, pytest.mark.images]


def test_what_the_kit_promises_with_torch_is_kept_in_a_students_container(
    docker_client: docker.DockerClient, plan: Mapping[str, Any]
) -> None:
    script = HERE / "kit_in_container.py"
    output = docker_client.containers.run(
        plan["imaging"].tag, ["python", "-I", "/check.py"], remove=True, read_only=True,
        tmpfs={"/tmp": "mode=1777"}, cap_drop=["ALL"], security_opt=["no-new-privileges"],
        pids_limit=plan["imaging"].image.pids, network_mode="none", mem_limit="3g",
        environment={"MPLCONFIGDIR": "/tmp/matplotlib"},
        volumes={str(script): {"bind": "/check.py", "mode": "ro"}},
    ).decode()  # fmt: skip
    checks = script.read_text().count("\ndef check_")
    assert checks >= 10 and output.count("kept: ") == checks, output
