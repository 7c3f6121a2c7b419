"""`./radlab bench epoch`: an epoch over a cached dataset, by ten processes at once.

    radlab             dataset.torch(): one file of prepared items, mapped by all
    CacheDataset       MONAI's: prepared items in the memory of each process
    PersistentDataset  MONAI's: a file an item, loaded in each epoch

Ten processes, as of ten students, each read all CT series of an invented dataset, window them, and
train: batches of four, a random flip, no network. `fill` is from nothing to all items prepared, the
slowest of the ten; `epoch` the median of later epochs, again the slowest of the ten; `memory` what
the ten hold together beyond their imports, shared pages counted once (PSS); `disk` the cache's
files. All in one container of the image `imaging`, without network, with the checkout's code.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker

from hub_config.machine.image_build import read_site
from hub_config.offers.building import plan_builds
from hub_config.offers.images import load_images
from hub_config.settings import load_settings

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "datasets"))
sys.path.insert(0, str(ROOT / "datasets" / "client"))
from small_version import ct_version  # noqa: E402

NAME = "bench-ct"
STUDENT = 10001
_MEMORY = "12g"


def image() -> str:
    """The tag of the image `imaging` as the checkout has it."""
    builds = plan_builds(load_images(ROOT / "images" / "catalog.yaml"), read_site(load_settings()))
    tag = next(build.tag for build in builds if build.image.id == "imaging")
    if not docker.from_env().images.list(tag):
        raise SystemExit(f"{tag} is not built. Run ./radlab image build first, or give --image.")
    return tag


@contextlib.contextmanager
def dataset(series: int, shape: tuple[int, int, int]) -> Iterator[Path]:
    """A folder with a version of that many invented CT series."""
    with tempfile.TemporaryDirectory(prefix="radlab-bench-") as folder:
        ct_version(Path(folder), NAME, series, shape)
        for path in (Path(folder), *Path(folder).rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        yield Path(folder)


def run(folder: Path, tag: str, processes: int, epochs: int) -> dict[str, dict[str, float]]:
    """The figures of all arms, measured in a new container that is gone afterwards."""
    client = docker.from_env()
    cache = client.volumes.create(f"radlab-bench-{uuid.uuid4().hex[:8]}")
    volumes = {
        str(folder): {"bind": "/datasets", "mode": "ro"},
        str(Path(__file__).parent): {"bind": "/bench", "mode": "ro"},
        str(ROOT / "datasets" / "client"): {"bind": "/client", "mode": "ro"},
        # A home on a disk, as students have it.
        cache.name: {"bind": "/home/student", "mode": "rw"},
    }
    command = ["python", "/bench/epoch_arms.py", "--dataset", NAME]
    try:
        output = client.containers.run(
            tag, [*command, "--processes", str(processes), "--epochs", str(epochs)],
            remove=True, read_only=True, tmpfs={"/tmp": "mode=1777"}, cap_drop=["ALL"],
            security_opt=["no-new-privileges"], network_mode="none", mem_limit=_MEMORY,
            user=str(STUDENT), volumes=volumes,
            environment={
                "PYTHONPATH": "/client", "RADLAB_DATASETS": "/datasets",
                "RADLAB_CACHE": "/home/student", "MPLCONFIGDIR": "/tmp/m",
                "PYTHONDONTWRITEBYTECODE": "1",
                # PersistentDataset writes to TMPDIR and moves: from another disk that is a copy,
                # which other processes find half done and fail on.
                "TMPDIR": "/home/student",
            },
        )  # fmt: skip
    finally:
        cache.remove(force=True)
        client.close()
    found: dict[str, dict[str, float]] = json.loads(output.decode().strip().splitlines()[-1])
    return found


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="radlab bench epoch",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--processes", type=int, default=10, help="students at once")
    parser.add_argument("--epochs", type=int, default=5, help="epochs that are timed")
    parser.add_argument("--series", type=int, default=24, help="CT series in the dataset")
    parser.add_argument("--size", type=int, default=128, help="rows and columns of each slice")
    parser.add_argument("--slices", type=int, default=32, help="slices of each series")
    parser.add_argument("--image", help="tag of another image with torch and MONAI")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    given = parser.parse_args()
    with dataset(given.series, (given.slices, given.size, given.size)) as folder:
        found = run(folder, given.image or image(), given.processes, given.epochs)
    if given.json:
        print(json.dumps({"bench": "epoch", **vars(given), "figures": found}, indent=1))
        return 0
    print(_table(found, given))
    return 0


def _table(found: dict[str, dict[str, float]], given: Any) -> str:
    head = f"{given.processes} processes, {given.series} series"
    lines = [f"{head:<26}{'fill s':>9}{'epoch s':>9}{'memory MB':>11}{'disk MB':>9}"]
    for arm, of in found.items():
        lines.append(
            f"{arm:<26}{of['fill_s']:>9.2f}{of['epoch_s']:>9.3f}{of['memory_mb']:>11.0f}"
            f"{of['disk_mb']:>9.0f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
