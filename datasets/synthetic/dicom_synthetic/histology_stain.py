"""Hematoxylin and eosin, as three laboratories use them, and the scanner that sees the slide.

Light through dye follows Beer and Lambert; each dye takes its own share of red, green and blue
(Ruifrok and Johnston 2001). What differs between hospitals is the shares, the amounts and the
scanner: nothing of it says anything about the tissue.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from dicom_synthetic.fields import smooth
from dicom_synthetic.histology_tissue import SHAPE, Tissue

Rgb3 = tuple[float, float, float]


@dataclass(frozen=True)
class Hospital:
    """A laboratory: what each dye takes of red, green, blue; amounts; lamp; blur in pixels."""

    name: str
    hematoxylin: Rgb3
    eosin: Rgb3
    amounts: tuple[float, float]
    lamp: Rgb3
    blur: float


HOSPITALS = (
    Hospital("A", (0.65, 0.70, 0.29), (0.07, 0.99, 0.11), (1.45, 0.80), (0.97, 0.96, 0.97), 0.65),
    Hospital("B", (0.54, 0.74, 0.39), (0.05, 0.94, 0.33), (1.15, 1.15), (0.98, 0.95, 0.93), 0.85),
    Hospital("C", (0.74, 0.61, 0.28), (0.16, 0.90, 0.16), (1.75, 0.55), (0.93, 0.96, 0.98), 0.60),
)


def stain(
    tissue: Tissue, hospital: Hospital, noise: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """The tissue as that hospital's scanner shows it: uint8 (rows, columns, 3)."""
    # No two slides are stained alike, and none of them evenly.
    own = np.exp(rng.normal(0, 0.15, 2)) * np.array(hospital.amounts)
    uneven = 1 + 0.05 * smooth(rng, SHAPE, 120)
    basic = gaussian_filter(tissue.basic, hospital.blur) * own[0] * uneven
    acid = gaussian_filter(tissue.acid, hospital.blur) * own[1] * uneven
    picture = np.empty((*SHAPE, 3))
    for k in range(3):
        taken = basic * hospital.hematoxylin[k] + acid * hospital.eosin[k]
        picture[..., k] = hospital.lamp[k] * np.exp(-taken)
    picture += 0.010 * noise * rng.standard_normal(picture.shape)
    return np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8)
