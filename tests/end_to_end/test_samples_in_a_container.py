"""The six sample datasets as a student finds them: in the imaging image, offline, read-only.

Runs after the story, on what its `./radlab up` has generated; the platform itself need not be up.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from hub_config.offers.images import load_images

pytestmark = [pytest.mark.engine, pytest.mark.images]
ROOT = Path(__file__).parents[2]
NAMES = sorted(card.stem for card in (ROOT / "datasets" / "cards").glob("*.yaml"))
PROGRAM = ROOT / "tests" / "end_to_end" / "look_at_samples.py"


@pytest.fixture(scope="module")
def found(platform: Any) -> Iterator[dict[str, Any]]:
    """What the program saw of each dataset."""
    client = docker.from_env()
    visible = platform.state / "datasets" / "visible" / "everyone"
    output = client.containers.run(
        load_images(platform.state / "offers" / "images.yaml").image("imaging").tag,
        ["python", "/look/look_at_samples.py", *NAMES],
        remove=True,
        user="10001:10001",
        network_mode="none",
        read_only=True,
        cap_drop=["ALL"],
        mem_limit="3g",
        tmpfs={"/tmp": "mode=1777,size=1g", "/home/student": "uid=10001,mode=700"},
        volumes={
            str(visible): {"bind": "/datasets", "mode": "ro"},
            str(PROGRAM.parent): {"bind": "/look", "mode": "ro"},
        },
    )
    client.close()
    yield json.loads(output)


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_is_read_with_its_geometry_and_marks(found: dict[str, Any], name: str) -> None:
    seen = found[name]
    assert seen["splits"] == ["test", "train", "validation"]
    assert seen["patients"] >= 12
    assert seen["finite"] and seen["spread"] > 0
    assert seen["synthetic"] and seen["said_in_header"]
    # Every set marks what it shows, with masks or with boxes.
    assert seen["marked_pixels"] > 0 or seen["boxes"] > 0


@pytest.mark.parametrize("name", ["chest-ct", "brain-mr"])
def test_a_volume_is_what_simpleitk_and_monai_read(found: dict[str, Any], name: str) -> None:
    seen = found[name]
    assert seen["kind"] == "volume"
    assert seen["equals_simpleitk"]
    assert seen["affine_error"] < 1e-3
    assert seen["monai_shape"] == seen["shape"][::-1]


@pytest.mark.parametrize("name", NAMES)
def test_its_marks_are_dicom_that_highdicom_reads(found: dict[str, Any], name: str) -> None:
    assert set(found[name]["derived"]) <= {"SEG", "SR"} and found[name]["derived"]


def test_what_up_has_generated_is_as_it_was_published(platform: Any) -> None:
    for name in NAMES:
        done: subprocess.CompletedProcess[str] = platform.run("dataset", "verify", name)
        assert done.returncode == 0, done.stderr
