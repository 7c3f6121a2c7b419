"""A small detector: a network that paints heat where a finding is, and boxes read off the heat.

After CenterNet (Zhou et al. 2019), with no anchors and no proposals: one map says how likely each
place is the middle of a finding, two more say how high and wide it is. It trains in a minute on a
processor. Boxes are rows (top, left, bottom, right) in pixels of the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from course_kit.metrics import box_iou

STRIDE = 4
Box = Sequence[float]


class CannotDetect(RuntimeError):
    """A detector cannot be had in this image."""


class HeatMap(nn.Module):
    """(n, channels, height, width) -> (n, 3, height/4, width/4): heat (logit), log height, log width.

    Height and width of the image are multiples of 16. `channels` of the image, `width` of the
    network: twice as many is four times the work.
    """

    def __init__(self, channels: int = 1, width: int = 16) -> None:
        super().__init__()
        self.first = _block(channels, width)
        self.second = _block(width, 2 * width)
        self.third = _block(2 * width, 4 * width)
        self.fourth = _block(4 * width, 4 * width)
        self.fifth = _block(4 * width, 4 * width)
        self.join = _block(12 * width, 4 * width, stride=1)
        self.heads = nn.Conv2d(4 * width, 3, 1)
        # At first nothing is a finding: else the first steps only unlearn heat everywhere.
        nn.init.constant_(self.heads.bias[:1], -3.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The three maps, a quarter as high and wide as the image."""
        fine = self.second(self.first(x))
        middle = self.third(fine)
        coarse = self.fifth(self.fourth(middle))
        size = fine.shape[-2:]
        wide = [nn.functional.interpolate(part, size=size) for part in (middle, coarse)]
        padded = nn.functional.pad(fine, (0, 0, 0, 0, 0, wide[0].shape[1] - fine.shape[1]))
        out: torch.Tensor = self.heads(self.join(torch.cat([padded, *wide], dim=1)))
        return out


def targets(boxes: Sequence[Sequence[Box]], shape: tuple[int, int]) -> NDArray[np.float32]:
    """What the network is to paint for the boxes of each image of `shape` (height, width).

    (n, 4, height/4, width/4): heat with a peak of 1 at each middle and a bell around it, log height,
    log width, and 1 where there is a middle.
    """
    height, width = shape[0] // STRIDE, shape[1] // STRIDE
    painted = np.zeros((len(boxes), 4, height, width), dtype=np.float32)
    rows, columns = np.mgrid[:height, :width]
    for image, own in zip(painted, boxes, strict=True):
        for top, left, bottom, right in own:
            row, column = (top + bottom) / 2 / STRIDE, (left + right) / 2 / STRIDE
            r, c = min(int(row), height - 1), min(int(column), width - 1)
            spread = max(0.8, min(bottom - top, right - left) / STRIDE / 6)
            bell = np.exp(-((rows - r) ** 2 + (columns - c) ** 2) / (2 * spread**2))
            image[0] = np.maximum(image[0], bell)
            image[1, r, c], image[2, r, c] = np.log(bottom - top), np.log(right - left)
            image[3, r, c] = 1
    return painted


def loss(maps: torch.Tensor, painted: torch.Tensor) -> torch.Tensor:
    """Focal loss of the heat (CenterNet's, exponents 2 and 4) and L1 of the sizes at the middles."""
    heat = torch.sigmoid(maps[:, 0].float()).clamp(1e-4, 1 - 1e-4)
    truth, middle = painted[:, 0], painted[:, 3]
    there = middle * (1 - heat) ** 2 * torch.log(heat)
    elsewhere = (1 - middle) * (1 - truth) ** 4 * heat**2 * torch.log(1 - heat)
    count = middle.sum().clamp(min=1)
    sizes = (maps[:, 1:3].float() - painted[:, 1:3]).abs() * middle[:, None]
    return -(there + elsewhere).sum() / count + sizes.sum() / count


def boxes_of(
    maps: ArrayLike, *, threshold: float = 0.05, most: int = 30
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Boxes (k, 4) and scores (k,) of each image, the best first: the heat's local peaks.

    `maps` is what `HeatMap` gives, as an array.
    """
    found = []
    for heat, log_height, log_width in np.asarray(maps, dtype=float)[:, :3]:
        score = 1 / (1 + np.exp(-heat))
        padded = np.pad(score, 1, constant_values=-1)
        around = np.lib.stride_tricks.sliding_window_view(padded, (3, 3)).max(axis=(2, 3))
        rows, columns = np.nonzero((score >= around) & (score >= threshold))
        best = np.argsort(-score[rows, columns], kind="stable")[:most]
        rows, columns = rows[best], columns[best]
        middle = np.stack([rows + 0.5, columns + 0.5], axis=1) * STRIDE
        sizes = np.stack([log_height[rows, columns], log_width[rows, columns]], axis=1)
        half = np.exp(np.clip(sizes, 0, 8)) / 2
        found.append((np.concatenate([middle - half, middle + half], axis=1), score[rows, columns]))
    return found


def nms(boxes: ArrayLike, scores: ArrayLike, overlap: float = 0.5) -> NDArray[np.int64]:
    """Non-maximum suppression: the boxes to keep, the best first.

    A box goes where one with a higher score overlaps it by more than `overlap` (intersection over
    union). Equal to torchvision's `nms` but for draws.
    """
    rows = np.asarray(boxes, dtype=float).reshape(-1, 4)
    order = list(np.argsort(-np.asarray(scores, dtype=float), kind="stable"))
    kept: list[int] = []
    for number in order:
        if all(box_iou(rows[number], rows[other]) <= overlap for other in kept):
            kept.append(int(number))
    return np.array(kept, dtype=np.int64)


def retinanet(channels: int, classes: int = 1) -> Any:
    """MONAI's RetinaNet on a ResNet-18 for 2D images; CannotDetect where torchvision does not load.

    Its backbone is torchvision's, whose published wheel does not load beside torch's CPU build: the
    CUDA image has both.
    """
    try:
        from monai.apps.detection.networks.retinanet_network import (
            RetinaNet,
            resnet_fpn_feature_extractor,
        )
        from monai.networks.nets import resnet18
    except (ImportError, RuntimeError) as error:
        raise _no_retinanet(error) from error
    try:
        import torchvision

        backbone = resnet18(spatial_dims=2, n_input_channels=channels, conv1_t_stride=2)
        pyramid = resnet_fpn_feature_extractor(
            backbone=backbone, spatial_dims=2, pretrained_backbone=False, returned_layers=(1, 2)
        )
    except (ImportError, RuntimeError, NameError, AttributeError) as error:
        raise _no_retinanet(error) from error
    return RetinaNet(
        spatial_dims=2,
        num_classes=classes,
        num_anchors=3,
        feature_extractor=pyramid,
        size_divisible=32,
    )


def _no_retinanet(error: Exception) -> CannotDetect:
    return CannotDetect(
        "MONAI's RetinaNet needs torchvision, which does not load in this image "
        f"({type(error).__name__}: {error}). Choose an image with CUDA, or use HeatMap."
    )


def _block(seen: int, made: int, stride: int = 2) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(seen, made, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(made),
        nn.ReLU(inplace=True),
        nn.Conv2d(made, made, 3, padding=1, bias=False),
        nn.BatchNorm2d(made),
        nn.ReLU(inplace=True),
    )
