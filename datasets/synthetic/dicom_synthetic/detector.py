"""From line integrals to the picture on a radiologist's screen: counts, noise, processing.

Beer and Lambert, a broad scatter, quantum noise; then what a digital system does before it stores
an image For Presentation: logarithm, equalisation, a little edge enhancement, a sigmoid curve.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dicom_synthetic.splat import Points

BITS = 12
WHITE = 2**BITS - 1


@dataclass(frozen=True)
class Exposure:
    """How a film was taken: photons a pixel, share of scatter, processing."""

    photons: float
    scatter: float
    equalise: float
    sharpen: float
    gamma: float
    black: float
    white: float


def draw_exposure(rng: np.random.Generator, noise: float = 1.0) -> Exposure:
    """An exposure as a department sees them: most right, a few noisy or flat.

    `noise` times as much quantum noise takes its square fewer photons.
    """
    return Exposure(
        photons=float(np.exp(rng.normal(np.log(90000), 0.45))) / noise**2,
        scatter=float(rng.uniform(0.15, 0.35)),
        equalise=float(rng.uniform(0.42, 0.60)),
        sharpen=float(rng.uniform(0.1, 0.6)),
        gamma=float(rng.uniform(1.0, 1.35)),
        black=float(rng.uniform(-0.04, 0.03)),
        white=float(rng.uniform(0.97, 1.05)),
    )


def expose(path: Points, exposure: Exposure, rng: np.random.Generator) -> Points:
    """Logarithm of the detector's signal, so that bone is high: float64 in the shape of `path`."""
    primary = np.exp(-path)
    scatter = ndimage.gaussian_filter(primary, 22, truncate=3) * exposure.scatter
    signal = ndimage.gaussian_filter(primary + scatter, 0.45)
    # A normal deviate for the Poisson law: counts are above 100 wherever a chest is.
    noise = rng.standard_normal(path.shape) / np.sqrt(exposure.photons * signal + 1)
    return np.asarray(-np.log(np.maximum(signal * (1 + noise), 1e-4)))


def present(density: Points, exposure: Exposure) -> Points:
    """Grey from 0 (black, air) to 1 (white, bone), as a system stores it For Presentation."""
    fine = ndimage.gaussian_filter(density, 1.8)
    middle = fine - ndimage.gaussian_filter(density, 14, truncate=3)
    broad = ndimage.gaussian_filter(density, 26, truncate=3)
    flat = density - exposure.equalise * broad + 0.5 * middle + exposure.sharpen * (density - fine)
    body = flat[flat > flat.min() + 0.3]
    low, high = np.percentile(body, [1.0, 99.9])
    grey = (flat - low) / (high - low)
    grey = (grey - exposure.black) / (exposure.white - exposure.black)
    # The curve of a film: steep in the lungs, flat in the shoulder, where the mediastinum lies.
    toe, shoulder = 1 / (1 + np.exp(_STEEP * _MIDDLE)), 1 / (1 + np.exp(-_STEEP * (1 - _MIDDLE)))
    curve = 1 / (1 + np.exp(-_STEEP * (grey - _MIDDLE)))
    return np.asarray(np.clip((curve - toe) / (shoulder - toe), 0, 1) ** exposure.gamma)


_STEEP, _MIDDLE = 3.4, 0.47


def stored(grey: Points, monochrome1: bool) -> NDArray[np.uint16]:
    """12-bit stored values; MONOCHROME1 stores white as 0."""
    shown = 1 - grey if monochrome1 else grey
    return np.asarray(np.rint(np.clip(shown, 0, 1) * WHITE), dtype=np.uint16)
