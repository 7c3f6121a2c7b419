"""A synthetic chest: its measures, its soft parts as path lengths, its bones and vessels as points.

Lengths in mm, axes as in `splat.View`, the origin at the level of the hila. The measures are drawn
around those of adults; none of them is a measurement of a person.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dicom_synthetic.intervals import Interval, Map, around, bulge, length, without

WATER = 0.0185  # 1/mm: water at the effective energy of a 120 kV beam behind a chest
LUNG = 0.24  # density of inflated lung against water


@dataclass(frozen=True)
class Body:
    """The measures of one person, as all their films share them."""

    female: bool
    age: int
    half_width: float
    half_depth: float
    wall: float
    apex: float
    dome_right: float
    dome_left: float
    heart: float
    heart_tilt: float
    aorta: float
    breast: float
    clavicle_slope: float
    scapula_out: float
    rib_drop: float
    gas: float
    seed: int


def draw_body(rng: np.random.Generator, seed: int) -> Body:
    """A person: sex, age and measures drawn from `rng`; `seed` is that of the vessels."""
    female = bool(rng.random() < 0.48)
    large = rng.normal(0, 1)
    return Body(
        female=female,
        age=int(np.clip(rng.normal(57, 16), 19, 94)),
        half_width=(146 if female else 158) + 7 * large + rng.normal(0, 3),
        half_depth=(102 if female else 108) + 6 * large + rng.normal(0, 4),
        wall=21 + 5 * max(large, -1) + abs(rng.normal(0, 4)),
        apex=-(138 if female else 147) - 4 * large + rng.normal(0, 5),
        dome_right=94 + rng.normal(0, 8),
        dome_left=104 + rng.normal(0, 8),
        heart=1.0 + rng.normal(0, 0.07) + 0.02 * large,
        heart_tilt=np.deg2rad(rng.uniform(28, 48)),
        aorta=15 + rng.normal(0, 1.8),
        breast=float(rng.uniform(16, 42)) if female else 0.0,
        clavicle_slope=rng.uniform(-0.05, 0.25),
        scapula_out=rng.uniform(-4, 26),
        rib_drop=rng.uniform(0.85, 1.2),
        gas=float(rng.uniform(14, 30)) if rng.random() < 0.7 else 0.0,
        seed=seed,
    )


def inner_width(body: Body, z: Map) -> Map:
    """Half the width of the rib cage's inside at height `z`; 0 above the apex."""
    widest, most = 55.0, body.half_width - body.wall
    up = np.clip((widest - z) / (widest - body.apex), 0, 1)
    down = np.clip((z - widest) / 260, 0, 1)
    return most * np.maximum(1 - up**2.7, 0) ** (1 / 2.0) * (1 - 0.25 * down**2)


def inner_depth(body: Body, z: Map) -> Map:
    """Half the depth of the rib cage's inside at height `z`."""
    most = body.half_depth - 0.9 * body.wall
    up = np.clip((40 - z) / (40 - body.apex), 0, 1)
    return most * np.maximum(1 - up**3, 0) ** (1 / 2.2)


@dataclass(frozen=True)
class Soft:
    """Path lengths (mm of water) of the soft parts, and of the air in the lungs."""

    water: Map
    lung: Map


def soft_parts(body: Body, x: Map, z: Map, breath: float, yaw: float) -> Soft:
    """What rays at `x`, `z` cross: `breath` (mm) lowers the diaphragm, `yaw` turns the person."""
    outer = _trunk(body, x, z)
    lungs = _lung_interval(body, x, z)
    holes = [
        _mediastinum(body, x, z),
        _heart(body, x, z, yaw),
        _diaphragm(body, x, z, breath),
    ]
    lung = without(lungs, holes)
    # The right atrium, the pulmonary trunk and the aorta fill lung as well; they barely overlap
    # with one another along a ray, so their lengths may be taken off one by one.
    for vessel in _great_vessels(body, x, z, yaw):
        lung = np.maximum(lung - length(vessel) * (lung > 0), 0)
    water = outer - lung * (1 - LUNG) + _breasts(body, x, z) - _gas(body, x, z, breath)
    return Soft(np.maximum(water, 0), lung)


def _trunk(body: Body, x: Map, z: Map) -> Map:
    shoulder = np.clip((-z - 40) / 110, 0, 1)
    half_width = body.half_width + 95 * shoulder**1.6
    across = np.abs(x) / half_width
    depth = 2 * body.half_depth * np.maximum(1 - across**2.6, 0) ** (1 / 2.0)
    # The line of the shoulders falls from the neck outwards; above it there is only the neck.
    top = -205 + 0.42 * np.maximum(np.abs(x) - 48, 0)
    return depth * _ramp((z - top) / 95) + _neck(x, z)


def _neck(x: Map, z: Map) -> Map:
    return 105 * bulge(x / (60 + 0.2 * np.maximum(z + 190, 0)), 0 * z) * _ramp((-z - 100) / 70)


def _ramp(t: Map) -> Map:
    """0 below 0, 1 above 1, smooth between (Hermite)."""
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)


def _lung_interval(body: Body, x: Map, z: Map) -> Interval:
    width = np.maximum(inner_width(body, z), 1e-6)
    across = np.abs(x) / width
    half = inner_depth(body, z) * np.maximum(1 - across**2.3, 0) ** (1 / 2.1)
    return around(6.0, half)


def _mediastinum(body: Body, x: Map, z: Map) -> Interval:
    # Great vessels above, gullet and aorta below; its edges are thin, so they fade on a film.
    half = 27 + 9 * np.exp(-(((z + 80) / 45) ** 2)) + 6 * np.clip((z - 25) / 90, 0, 1)
    lean = 3.0 * np.sin((z - 30) / 50)
    across = (x - lean) / half
    return around(14.0, 1.02 * body.half_depth * np.maximum(1 - across**2, 0) ** 0.95)


def _heart(body: Body, x: Map, z: Map, yaw: float) -> Interval:
    deep = -32.0
    left, low = x - 17 * body.heart - deep * yaw, z - 57
    sin, cos = np.sin(body.heart_tilt), np.cos(body.heart_tilt)
    along, across = left * cos + low * sin, low * cos - left * sin
    size = body.heart
    return around(deep, 46 * size * bulge(along / (72 * size), across / (52 * size), 2.1))


def _great_vessels(body: Body, x: Map, z: Map, yaw: float) -> list[Interval]:
    size = body.heart
    atrium = around(-22, 30 * bulge((x + 26 - 22 * yaw) / (24 * size), (z - 48) / (42 * size)))
    trunk = around(-25, 19 * bulge((x - 30 + 25 * yaw) / 19, (z - 2) / 28))
    knob = around(15, body.aorta * bulge((x - 25 + 15 * yaw) / body.aorta, (z + 38) / 17))
    descends = np.clip((z + 34) / 20, 0, 1)
    aorta = around(42, descends * 12 * bulge((x - 23 - 42 * yaw) / 13, np.zeros_like(z)))
    cava = around(-5, 13 * bulge((x + 27 + 5 * yaw) / 14, np.clip((z + 20) / 60, 0, 1), 2.4))
    return [atrium, trunk, knob, aorta, cava]


def diaphragm_height(body: Body, x: Map, breath: float) -> Map:
    """Height z of the domes' tops along x; they fall away to the sides, to the costal angles."""
    right = body.dome_right + 34 * (np.abs(x + 62) / 62) ** 2.6
    left = body.dome_left + 32 * (np.abs(x - 66) / 62) ** 2.6
    side = 1 / (1 + np.exp(-x / 7))
    return right * (1 - side) + left * side + breath


def _diaphragm(body: Body, x: Map, z: Map, breath: float) -> Interval:
    below = np.maximum(z - diaphragm_height(body, x, breath), 0)
    return around(-14.0, np.sqrt(below / 0.0085) * 1.05)


def _breasts(body: Body, x: Map, z: Map) -> Map:
    if not body.breast:
        return np.zeros_like(x)
    total = np.zeros_like(x)
    for side in (-1, 1):
        across = (x - side * 80) / 62
        down = (z - 66) / np.where(z > 66, 42, 80)
        total += body.breast * bulge(across, down, 2.2)
    return total


def _gas(body: Body, x: Map, z: Map, breath: float) -> Map:
    if not body.gas:
        return np.zeros_like(x)
    top = body.dome_left + breath + 8
    across, down = (x - 52) / (body.gas * 1.5), (z - top - body.gas * 0.7) / (body.gas * 0.75)
    return 2.2 * body.gas * bulge(across, down, 2.2)
