"""The arms of `bench_epoch.py`, run where torch and MONAI are: ten processes an arm, at once.

Started without an argument it starts the processes of each arm and prints figures as JSON; with the
name of an arm it is one of these processes: it reads `fill`, `epoch` and `memory` from its standard
input and answers each with a line.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

ARMS = ("radlab", "CacheDataset", "PersistentDataset")
BATCH = 4
Figures = dict[str, float]


def random_part() -> Any:
    """What each arm does anew in each epoch."""
    from monai.transforms import RandFlipd

    return RandFlipd("image", prob=0.5, spatial_axis=0)


def dataset_of(arm: str, name: str, folder: Path) -> Any:
    """The dataset of an arm: the same images, windowed, in the same order."""
    from monai.data import CacheDataset, PersistentDataset
    from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged, ScaleIntensityRanged

    from dicom_catalog import Catalog

    dataset = Catalog()[name]
    window = ScaleIntensityRanged("image", -100, 500, 0, 1, clip=True)
    if arm == "radlab":
        return dataset.torch(transform=Compose([window, random_part()]), folder=folder)
    items = [{"image": item["image"], "label": item["label"]} for item in dataset.items()]
    # Their own way to read a folder of DICOM, which is what their users have.
    steps = Compose([LoadImaged("image"), EnsureChannelFirstd("image"), window, random_part()])
    if arm == "CacheDataset":
        return CacheDataset(items, steps, num_workers=1, progress=False)
    return PersistentDataset(items, steps, cache_dir=folder)


def memory_mb() -> float:
    """What this process has for itself, shared pages divided among those who share them (PSS)."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1000
    raise RuntimeError("The kernel does not tell the proportional set size.")


def serve(arm: str, name: str, folder: Path) -> None:
    """One process of an arm: what it is asked, it does and answers in seconds or megabytes."""
    import torch
    from monai.data import DataLoader
    from monai.utils import set_determinism

    torch.set_num_threads(1)
    set_determinism(0)
    made = random_part() and memory_mb()
    loader: Any = None
    _answer(0.0)
    for line in sys.stdin:
        begun = time.perf_counter()
        if line.strip() == "memory":
            _answer(memory_mb() - made)
            continue
        if line.strip() == "fill":
            dataset = dataset_of(arm, name, folder)
            loader = DataLoader(dataset, batch_size=BATCH, num_workers=0)
            for number in range(len(dataset)):
                dataset[number]
        else:
            assert sum(float(batch["image"].mean()) for batch in loader) > 0
        _answer(time.perf_counter() - begun)


def _answer(number: float) -> None:
    print(json.dumps(number), flush=True)


@contextmanager
def processes(
    arm: str, name: str, folder: Path, count: int
) -> Iterator[list[subprocess.Popen[str]]]:
    """`count` processes of an arm that have imported what they need."""
    command = [sys.executable, __file__, "--arm", arm, "--dataset", name, "--folder", str(folder)]
    started = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(count)
    ]  # fmt: skip
    try:
        for one in started:
            _hear(one)
        yield started
    finally:
        for one in started:
            one.kill()
            one.wait()


def _hear(one: subprocess.Popen[str]) -> float:
    assert one.stdout is not None
    line = one.stdout.readline()
    if not line:
        raise RuntimeError(f"A process of the bench ended with {one.wait()}: {one.args}")
    return float(json.loads(line))


def ask(all_of_them: list[subprocess.Popen[str]], what: str) -> list[float]:
    """Ask all at once; what each answers."""
    for one in all_of_them:
        assert one.stdin is not None
        one.stdin.write(f"{what}\n")
        one.stdin.flush()
    return [_hear(one) for one in all_of_them]


def measure(arm: str, name: str, count: int, epochs: int) -> Figures:
    """`count` students fill and train at once; seconds of the slowest, megabytes of all."""
    folder = Path(tempfile.mkdtemp(dir=os.environ.get("RADLAB_CACHE")))
    try:
        with processes(arm, name, folder, count) as started:
            fill = max(ask(started, "fill"))
            seconds = [max(ask(started, "epoch")) for _ in range(epochs)]
            memory = sum(ask(started, "memory"))
        disk = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {
        "fill_s": round(fill, 2),
        "epoch_s": round(median(seconds), 3),
        "memory_mb": round(memory),
        "disk_mb": round(disk / 1e6),
    }


def main() -> int:
    """All arms, or one process of one."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--arm", choices=ARMS)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--processes", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=5)
    given = parser.parse_args()
    if given.arm:
        serve(given.arm, given.dataset, given.folder)
        return 0
    found = {arm: measure(arm, given.dataset, given.processes, given.epochs) for arm in ARMS}
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
