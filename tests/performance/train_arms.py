"""The arms of `bench_train.py`, run where torch and MONAI are: one training, fed in two ways.

Both train the same U-Net from the same weights, with the same loss, steps and number of blocks, and
are judged after each epoch on the same patients at the same size. Prints figures as JSON.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from monai.data import DataLoader, Dataset
from monai.inferers import sliding_window_inference
from monai.losses import DiceCELoss
from monai.networks.nets import UNet
from monai.transforms import Compose, LoadImaged, RandCropByPosNegLabeld, RandFlipd
from monai.utils import set_determinism
from torch.nn.functional import interpolate

from dicom_catalog import Catalog
from dicom_catalog.monai_reader import CatalogReader

ARMS = ("plain", "radlab")
WINDOW, SIZE, BATCH, RATE = (16, 64, 64), 96, 4, 1e-2
KEYS = ["image", "mask"]
Tensor = torch.Tensor


def prepare(item: dict[str, Any]) -> dict[str, Tensor]:
    """A volume of typical brightness 1 on the small grid, its masks joined into one."""
    image, mask = (torch.as_tensor(item[name]).float() for name in KEYS)
    image = image / image[image > 0.15 * image.max()].median()
    to = (image.shape[1], SIZE, SIZE)
    mask = interpolate(mask.amax(0, keepdim=True)[None], to, mode="area")[0] >= 0.5
    return {"image": interpolate(image[None], to, mode="area")[0], "mask": mask.float()}


def upright(item: dict[str, Any]) -> dict[str, Any]:
    """MONAI's axes (columns, rows, slices) in the order of the catalog's."""
    return {name: item[name].permute(0, 3, 2, 1).contiguous() for name in KEYS}


class Plain:
    """A MONAI loop as tutorials have it: files are read and prepared anew in each epoch."""

    def __init__(self, train: Any, validation: Any, device: str) -> None:
        read = [
            LoadImaged("image", ensure_channel_first=True),
            LoadImaged("mask", reader=CatalogReader(), ensure_channel_first=True),
            upright,
            prepare,
        ]
        cut = RandCropByPosNegLabeld(KEYS, "mask", WINDOW, num_samples=2)
        steps = Compose([*read, cut, RandFlipd(KEYS, prob=0.5, spatial_axis=2)])
        self.loader = DataLoader(Dataset(train.items(), steps), batch_size=BATCH, shuffle=True)
        self.judged = Dataset(validation.items(), Compose(read))
        self.device, self.half = device, False

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """One epoch."""
        for batch in self.loader:
            yield batch["image"].to(self.device), batch["mask"].to(self.device)

    def validation(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The patients to judge by."""
        for item in self.judged:
            yield item["image"].to(self.device), item["mask"].to(self.device)


class Radlab:
    """Prepared once by `dataset.torch`, then kept on the device, where blocks are cut."""

    def __init__(self, train: Any, validation: Any, device: str) -> None:
        self.x, self.y = _stacked(train, device)
        self.checked = list(zip(*_stacked(validation, device), strict=True))
        self.spots = [mask[0].nonzero().cpu().numpy() for mask in self.y]
        self.chance = np.random.default_rng(1)
        # Few processors reckon faster with half as many digits; each CUDA card since Ampere does.
        self.half = device == "cuda"

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """One epoch."""
        order = self.chance.permutation(len(self.x))
        for at in range(0, len(order), BATCH):
            pairs = [self._block(row) for row in np.repeat(order[at : at + BATCH], 2)]
            images, masks = zip(*pairs, strict=True)
            yield torch.stack(images), torch.stack(masks)

    def _block(self, row: int) -> tuple[Tensor, Tensor]:
        spots, shape = self.spots[row], np.array(self.x.shape[2:])
        around = len(spots) > 0 and self.chance.random() < 0.5
        middle = self.chance.choice(spots) if around else self.chance.integers(shape)
        begin = np.clip(middle - np.array(WINDOW) // 2, 0, shape - WINDOW)
        box = [slice(one, one + long) for one, long in zip(begin, WINDOW, strict=True)]
        image, mask = self.x[row][:, *box], self.y[row][:, *box]
        return (image.flip(-1), mask.flip(-1)) if self.chance.random() < 0.5 else (image, mask)

    def validation(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The patients to judge by."""
        return iter(self.checked)


def _stacked(part: Any, device: str) -> tuple[Tensor, Tensor]:
    kept = part.torch(transform=prepare).fill()
    items = [kept[number] for number in range(len(kept))]
    x, y = (torch.stack([item[name] for item in items]).to(device) for name in KEYS)
    return x, y


def dice(network: Any, arm: Plain | Radlab) -> float:
    """Mean Dice of the validation patients who have a tumour, window after window."""
    found = []
    network.eval()
    with torch.inference_mode():
        for image, mask in arm.validation():
            if not mask.any():
                continue
            with torch.autocast(image.device.type, torch.bfloat16, enabled=arm.half):
                said = sliding_window_inference(image[None], WINDOW, 8, network, overlap=0.25)
            both = ((said[0] > 0) & (mask > 0)).sum().item()
            found.append(2 * both / ((said > 0).sum().item() + mask.sum().item()))
    network.train()
    return float(np.mean(found))


def train(arm: str, name: str, epochs: int, goal: float) -> dict[str, Any]:
    """Train until the goal is reached; seconds count from the opened catalog on."""
    set_determinism(1)
    torch.use_deterministic_algorithms(False)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    # The libraries' and the card's first call are nobody's merit.
    float((torch.ones(8, 8, device=device) @ torch.ones(8, 8, device=device)).sum())
    volumes = Catalog()[name].where(sequence="FLAIR")
    begun = time.perf_counter()
    kind = {"plain": Plain, "radlab": Radlab}[arm]
    fed = kind(volumes.split("train"), volumes.split("validation"), device)
    ready, busy = time.perf_counter() - begun, time.process_time()
    network = UNet(3, 1, 1, (8, 16, 32, 32), ((1, 2, 2), 2, 2), norm="instance").to(device)
    loss = DiceCELoss(sigmoid=True, batch=True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE)
    steps = epochs * math.ceil(len(volumes.split("train").patients) / BATCH)
    pace = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, steps + 1)
    seconds, scores = [], []
    while len(scores) < epochs and max(scores, default=0.0) < goal:
        for x, y in fed.batches():
            with torch.autocast(device, torch.bfloat16, enabled=fed.half):
                wrong = loss(network(x), y)
            optimizer.zero_grad()
            wrong.backward()
            optimizer.step()
            pace.step()
        scores.append(dice(network, fed))
        seconds.append(time.perf_counter() - begun)
    busy = time.process_time() - busy
    reached = next((s for s, score in zip(seconds, scores, strict=True) if score >= goal), None)
    return {
        "seconds_to_dice": None if reached is None else round(reached, 1),
        "epochs": len(scores),
        "first_epoch_s": round(seconds[0], 2),
        "epoch_s": round((seconds[-1] - ready) / len(seconds), 3),
        "epoch_cpu_s": round(busy / len(seconds), 3),
        "dice": round(max(scores), 3),
        "device": device,
        "threads": torch.get_num_threads(),
    }


def main() -> None:
    """One arm, its figures on the last line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--arm", choices=ARMS, required=True)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--goal", type=float, required=True)
    given = parser.parse_args()
    warnings.filterwarnings("ignore", module="monai")
    logging.getLogger("monai").setLevel(logging.ERROR)
    print(json.dumps(train(given.arm, given.dataset, given.epochs, given.goal)))


if __name__ == "__main__":
    main()
