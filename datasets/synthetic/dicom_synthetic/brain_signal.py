"""From tissues to MR images: spin-echo and inversion-recovery signals, coil, motion, noise.

The equations of spin echo and FLAIR are the textbook's (Haacke et al., *Magnetic Resonance
Imaging*, chapters 8 and 15); relaxation times are round figures for 1.5 T. T1 is after contrast
medium, which shortens the rim's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dicom_synthetic import brain_anatomy as anatomy
from dicom_synthetic.volumes import Volume, smooth3

# Proton density, T1 and T2 in ms, by tissue number.
_TISSUES = {
    anatomy.AIR: (0.0, 1000, 50),
    anatomy.FAT: (0.80, 260, 65),
    anatomy.BONE: (0.06, 400, 12),
    anatomy.FLUID: (1.0, 4200, 1900),
    anatomy.GREY: (0.83, 1200, 95),
    anatomy.WHITE: (0.71, 620, 76),
    anatomy.MUSCLE: (0.70, 950, 38),
    anatomy.EYE: (1.0, 3600, 1100),
    anatomy.OEDEMA: (0.80, 1250, 132),
    anatomy.RIM: (0.80, 470, 104),
    anatomy.CORE: (0.92, 2700, 420),
    anatomy.GLIOSIS: (0.78, 1080, 124),
}


@dataclass(frozen=True)
class Sequence:
    """How one series is made: times in ms; `inversion` 0 for a plain spin echo."""

    name: str
    repetition: float
    echo: float
    inversion: float


SEQUENCES = (
    Sequence("T1", 500, 12, 0),
    Sequence("T2", 4500, 100, 0),
    Sequence("FLAIR", 9000, 110, 2420),
)


def signal(sequence: Sequence, contrast: float) -> NDArray[np.float32]:
    """The signal of each tissue, by number; `contrast` turns how far the tumour is from white."""
    table = np.array([_TISSUES[n] for n in range(len(_TISSUES))], dtype=float)
    for number in (anatomy.OEDEMA, anatomy.RIM, anatomy.CORE):
        white = table[anatomy.WHITE]
        table[number] = white * (table[number] / white) ** contrast
    density, t1, t2 = table.T
    decay = np.exp(-sequence.echo / t2)
    if sequence.inversion:
        regrown = 1 - 2 * np.exp(-sequence.inversion / t1) + np.exp(-sequence.repetition / t1)
        return np.asarray(np.abs(density * regrown) * decay, dtype=np.float32)
    return np.asarray(density * (1 - np.exp(-sequence.repetition / t1)) * decay, dtype=np.float32)


def coil(rng: np.random.Generator) -> Volume:
    """How unevenly the coil hears: a smooth factor around 1 over the slices."""
    shape = (anatomy.SLICES, anatomy.SIZE, anatomy.SIZE)
    return np.asarray(np.exp(0.17 * smooth3(rng, shape, (16, 80, 80))), dtype=np.float32)


def texture(rng: np.random.Generator) -> Volume:
    """What differs within one tissue: some per cent, from fine to coarse."""
    shape = (anatomy.SLICES, anatomy.SIZE, anatomy.SIZE)
    fine, broad = smooth3(rng, shape, (1.4, 3, 3)), smooth3(rng, shape, (3, 12, 12))
    return np.asarray(1 + 0.03 * fine + 0.03 * broad, dtype=np.float32)


def image(
    tissue: anatomy.Labels8,
    sequence: Sequence,
    unevenness: Volume,
    rng: np.random.Generator,
    contrast: float,
    noise: float,
    motion_mm: float,
) -> Volume:
    """One series, float32 (slices, rows, columns), 0 to about 1."""
    values = signal(sequence, contrast)[tissue]
    thick = values.reshape(anatomy.SLICES, anatomy.LAYERS, anatomy.SIZE, anatomy.SIZE).mean(1)
    thick = ndimage.gaussian_filter(thick, (0, 0.55, 0.55)) * unevenness
    top = float(np.percentile(thick, 99.5))
    if motion_mm > 0:
        thick = np.stack([_moved(one, motion_mm, rng) for one in thick])
    sigma = 0.016 * noise * top
    real = thick + sigma * rng.standard_normal(thick.shape, dtype=np.float32)
    other = sigma * rng.standard_normal(thick.shape, dtype=np.float32)
    return np.asarray(np.hypot(real, other) / top, dtype=np.float32)


def _moved(one: Volume, motion_mm: float, rng: np.random.Generator) -> Volume:
    """The slice of a head that moved while its k-space was filled: lines of shifted copies."""
    lines = np.fft.fft2(one)
    frequency = np.fft.fftfreq(one.shape[0])[:, None]
    for _ in range(5):
        start = int(rng.integers(0, one.shape[1] - 12))
        run = slice(start, start + int(rng.integers(4, 12)))
        shift = rng.normal(0, motion_mm / anatomy.PIXEL_MM)
        lines[:, run] *= np.exp(-2j * np.pi * frequency * shift)
    return np.asarray(np.abs(np.fft.ifft2(lines)), dtype=np.float32)
