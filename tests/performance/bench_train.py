"""`./radlab bench train`: seconds of a training in 3D to a stated Dice, fed in two ways.

    plain    a MONAI loop as tutorials have it: LoadImage, transforms and DataLoader, in each epoch
    radlab   volumes prepared once by `dataset.torch`, kept on the device, blocks cut there;
             bfloat16 where the device is a CUDA card

Both train the same small U-Net on the FLAIR volumes of the sample set `brain-mr`, with the same
loss, steps and number of blocks, and are judged after each epoch on the validation patients. The
seconds count from the opened catalog on: preparing is in them, imports are not. One arm after the
other (processor seconds tell how much a neighbour disturbed), each in a container of the image
`imaging` of its own, without network, with the checkout's code; `--here` uses this Python. On a
machine with a card, add `--gpus`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import docker
from bench_epoch import image
from docker.types import DeviceRequest
from ranges import judge

from hub_config.settings import load_settings

ROOT = Path(__file__).parents[2]
_MEMORY = "6g"
ARMS = ("plain", "radlab")
Figures = dict[str, Any]


def command(given: argparse.Namespace, arm: str) -> list[str]:
    """What an arm is started with, but for the interpreter and the file."""
    wanted = {"arm": arm, "dataset": given.dataset, "epochs": given.epochs, "goal": given.goal}
    return [part for name, value in wanted.items() for part in (f"--{name}", str(value))]


def run_here(given: argparse.Namespace, arm: str) -> Figures:
    """An arm in the Python that runs this, with a cache of its own."""
    with tempfile.TemporaryDirectory(prefix="radlab-bench-") as cache:
        environment = {
            "RADLAB_DATASETS": str(given.datasets),
            "RADLAB_CACHE": cache,
            "PYTHONPATH": str(ROOT / "datasets" / "client"),
        }
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("train_arms.py")), *command(given, arm)],
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            check=True,
        )
    return _figures(done.stdout)


def run_contained(given: argparse.Namespace, arm: str) -> Figures:
    """An arm in a container of the image `imaging` that is gone afterwards."""
    client = docker.from_env()
    cards = [DeviceRequest(count=1, capabilities=[["gpu"]])] if given.gpus else []
    volumes = {
        str(given.datasets): {"bind": "/datasets", "mode": "ro"},
        str(Path(__file__).parent): {"bind": "/bench", "mode": "ro"},
        str(ROOT / "datasets" / "client"): {"bind": "/client", "mode": "ro"},
    }
    try:
        output = client.containers.run(
            given.image or image(), ["python", "/bench/train_arms.py", *command(given, arm)],
            remove=True, read_only=True, tmpfs={"/tmp": "mode=1777"}, cap_drop=["ALL"],
            security_opt=["no-new-privileges"], network_mode="none", mem_limit=_MEMORY,
            nano_cpus=int(given.cores * 1e9), user="10001", volumes=volumes,
            device_requests=cards, shm_size="1g",
            environment={
                "PYTHONPATH": "/client", "RADLAB_DATASETS": "/datasets", "RADLAB_CACHE": "/tmp",
                "MPLCONFIGDIR": "/tmp/m", "PYTHONDONTWRITEBYTECODE": "1",
                "OMP_NUM_THREADS": str(given.cores), "OMP_WAIT_POLICY": "PASSIVE",
            },
        )  # fmt: skip
    finally:
        client.close()
    return _figures(output)


def _figures(output: bytes) -> Figures:
    found: Figures = json.loads(output.decode().strip().splitlines()[-1])
    return found


def summary(runs: dict[str, list[Figures]]) -> dict[str, Figures]:
    """Medians of each arm's runs, and how many times as fast the second arm is."""
    found: dict[str, Figures] = {}
    for arm, figures in runs.items():
        reached = [one["seconds_to_dice"] for one in figures if one["seconds_to_dice"] is not None]
        found[arm] = {
            "seconds_to_dice": median(reached) if len(reached) == len(figures) else None,
            "epochs": median(one["epochs"] for one in figures),
            "epoch_s": round(median(one["epoch_s"] for one in figures), 3),
            "epoch_cpu_s": round(median(one["epoch_cpu_s"] for one in figures), 3),
            "dice": median(one["dice"] for one in figures),
            "device": figures[0]["device"],
        }
    plain, ours = (found[arm] for arm in ARMS)
    ours["epoch_times_as_fast"] = round(plain["epoch_s"] / ours["epoch_s"], 2)
    if plain["seconds_to_dice"] and ours["seconds_to_dice"]:
        whole = plain["seconds_to_dice"] / ours["seconds_to_dice"]
        ours["times_as_fast"] = round(whole, 2)
    return found


def table(found: dict[str, Figures], given: argparse.Namespace) -> str:
    """The arms as lines."""
    head = f"to Dice {given.goal:g}, {given.dataset}"
    lines = [f"{head:<26}{'seconds':>9}{'epochs':>8}{'s an epoch':>12}{'cpu s':>8}{'device':>8}"]
    for arm, of in found.items():
        reached = of["seconds_to_dice"]
        shown = "never" if reached is None else f"{reached:.1f}"
        each = f"{of['epoch_s']:>12.2f}{of['epoch_cpu_s']:>8.2f}{of['device']:>8}"
        lines.append(f"{arm:<26}{shown:>9}{of['epochs']:>8g}{each}")
    ours = found[ARMS[1]]
    if "times_as_fast" in ours:
        lines.append(f"radlab is {ours['times_as_fast']:g} times as fast to that Dice,")
    lines.append(f"{ours['epoch_times_as_fast']:g} times as fast an epoch.")
    return "\n".join(lines)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="radlab bench train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dataset", default="brain-mr", help="a set with FLAIR volumes and masks")
    parser.add_argument("--datasets", type=Path, help="folder of sets (default: RadLab's own)")
    parser.add_argument("--goal", type=float, default=0.6, help="Dice to reach on validation")
    parser.add_argument("--epochs", type=int, default=24, help="most epochs of an arm")
    parser.add_argument("--runs", type=int, default=1, help="how often; medians are told")
    parser.add_argument("--cores", type=int, default=2, help="processors of a container")
    parser.add_argument("--gpus", action="store_true", help="give the container a CUDA card")
    parser.add_argument("--image", help="tag of another image with torch and MONAI")
    parser.add_argument("--here", action="store_true", help="no container: this Python has torch")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument("--check", action="store_true", help="judge by ranges.yaml")
    given = parser.parse_args()
    if given.datasets is None:
        named = os.environ.get("RADLAB_DATASETS")
        own = load_settings().path("datasets") / "visible" / "everyone"
        given.datasets = Path(named) if named else own
    given.datasets = given.datasets.resolve()
    if not (given.datasets / given.dataset.partition("@")[0]).is_dir():
        raise SystemExit(
            f"{given.datasets} has no set '{given.dataset}'. Run ./radlab up, which makes it, or "
            "give --datasets."
        )
    run = run_here if given.here else run_contained
    runs = {arm: [run(given, arm) for _ in range(given.runs)] for arm in ARMS}
    found = summary(runs)
    if given.json:
        asked = {name: str(value) for name, value in vars(given).items()}
        print(json.dumps({"bench": "train", "given": asked, "figures": found}, indent=1))
    else:
        print(table(found, given))
    return judge("train", found) if given.check else 0


if __name__ == "__main__":
    sys.exit(main())
