"""From tissue to the picture on the scanner: beam, speckle, shadows, gain, logarithm.

Fully developed speckle is the length of a complex Gaussian field (Wagner et al. 1983), blurred by
the pulse in depth and by the beam across; a scanner averages several looks (compounding).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from dicom_synthetic.fields import Field, line
from dicom_synthetic.us_tissue import PIXEL_MM, ROWS, SHAPE, Tissue, grid

Grey = NDArray[np.uint8]
USUAL = 1.02  # dB/mm there and back: what the scanner's TGC makes up for


@dataclass(frozen=True)
class Setting:
    """How the scanner is set: gain (dB), range (dB), looks, focus (mm), error of the TGC (dB)."""

    gain: float
    dynamic_range: float
    looks: int
    focus: float
    tgc: float
    noise: float
    tgc_seed: int


def draw_setting(rng: np.random.Generator, noise: float) -> Setting:
    """A setting as sonographers leave it; `noise` times the usual electronic noise."""
    return Setting(
        gain=float(rng.normal(0, 2.5)),
        dynamic_range=float(rng.uniform(52, 64)),
        looks=int(rng.choice([2, 3, 4])),
        focus=float(rng.uniform(12, 24)),
        tgc=float(rng.uniform(0.5, 2.2)),
        noise=noise,
        tgc_seed=int(rng.integers(2**31)),
    )


def scan(tissue: Tissue, setting: Setting, rng: np.random.Generator) -> Grey:
    """The picture of the tissue: uint8 (ROWS, COLUMNS)."""
    lost = _shadow(tissue.attenuation)
    z, _ = grid()
    steps = 2 * setting.tgc * line(np.random.default_rng(setting.tgc_seed), ROWS, 90)
    level = -lost + setting.gain + steps[:, None]
    strength = _amplitude(tissue.echo)
    mirror = _amplitude(tissue.mirror)
    total = np.zeros(SHAPE)
    for _ in range(setting.looks):
        total += _look(strength, mirror, rng)
    heard = total / setting.looks * _amplitude(level)
    heard = _defocus(heard, np.abs(z - setting.focus))
    floor = setting.noise * _amplitude(-52 + 0.55 * z + setting.gain)
    heard = np.hypot(heard, floor * rng.rayleigh(0.8, SHAPE))
    return _compress(heard, setting.dynamic_range)


def _amplitude(decibels: Field) -> Field:
    return np.asarray(np.exp(decibels * (np.log(10) / 20)))


def _shadow(attenuation: Field) -> Field:
    """Decibels lost on the way to each pixel beyond what the TGC gives back."""
    lost = np.cumsum(attenuation - USUAL, axis=0) * PIXEL_MM
    return np.asarray(gaussian_filter1d(lost, 4.0, axis=1))


def _look(strength: Field, mirror: Field, rng: np.random.Generator) -> Field:
    real = rng.standard_normal(SHAPE, dtype=np.float32) * strength
    imaginary = rng.standard_normal(SHAPE, dtype=np.float32) * strength
    real = _pulse(real) + 0.55 * mirror
    return np.hypot(real, _pulse(imaginary))


def _pulse(field: Field) -> Field:
    down, across = 0.9, 2.0  # pixels: the pulse's length and the beam's width in its focus
    blurred = gaussian_filter1d(field, down, axis=0, truncate=3)
    blurred = gaussian_filter1d(blurred, across, axis=1, truncate=3)
    # A Gaussian blur leaves 1 / (4 pi down across) of the variance of white noise: give it back,
    # and halve it, because two such fields make the speckle.
    return np.asarray(blurred * np.sqrt(2 * np.pi * down * across))


def _defocus(heard: Field, away: Field) -> Field:
    wide = gaussian_filter1d(heard, 3.2, axis=1, truncate=3)
    share = np.clip(away / 22, 0, 0.85)
    return np.asarray(heard + (wide - heard) * share)


def _compress(heard: Field, dynamic_range: float) -> Grey:
    decibels = 20 * np.log10(np.maximum(heard, 1e-6))
    share = np.clip((decibels + dynamic_range - 14) / dynamic_range, 0, 1)
    # A gentle curve: scanners lift the middle and keep black black.
    curve = share**1.6 * (1.1 - 0.1 * share)
    return np.rint(255 * np.clip(curve, 0, 1)).astype(np.uint8)
