"""A breast in cross-section, as ultrasound meets it: echo strength and attenuation by pixel.

From the probe down: skin, fat with Cooper's ligaments, glandular tissue, fat again, the pectoral
muscle, ribs or the pleura. Echoes are in decibels against glandular tissue, attenuation in decibels
per millimetre, there and back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dicom_synthetic.fields import Field, cloud, line, ramp, ridges, smooth

ROWS, COLUMNS = 400, 384
PIXEL_MM = 0.1
Shape = tuple[int, int]
SHAPE: Shape = (ROWS, COLUMNS)


@dataclass
class Tissue:
    """The maps (ROWS, COLUMNS) that a beam crosses, and the depth (mm) of the gland by column.

    `echo` in dB, `attenuation` in dB/mm, `mirror` is what reflects as a surface does, in dB.
    """

    echo: Field
    attenuation: Field
    mirror: Field
    gland_top: Field
    gland_bottom: Field


def grid() -> tuple[Field, Field]:
    """Depth z (ROWS, 1) and place x (1, COLUMNS), 0 in the middle, of each pixel's centre in mm."""
    z = (np.arange(ROWS) + 0.5) * PIXEL_MM
    x = (np.arange(COLUMNS) + 0.5 - COLUMNS / 2) * PIXEL_MM
    return np.asarray(z[:, None]), np.asarray(x[None, :])


def draw_tissue(rng: np.random.Generator, dense: float) -> Tissue:
    """A breast whose gland is thick where `dense` is 1 and a few strands where it is 0."""
    z, _ = grid()
    skin = 1.5 + 0.12 * line(rng, COLUMNS, 150)[None]
    scallop = np.abs(line(rng, COLUMNS, 75))[None]
    top = 11.5 - 5.0 * dense + 1.2 * line(rng, COLUMNS, 130)[None] - 2.2 * scallop + 1.6
    top = np.maximum(top, skin + 2.0)
    bottom = 20.5 + 4.5 * dense + 1.3 * line(rng, COLUMNS, 120)[None]
    bottom = np.maximum(bottom, top + 3.0)
    fascia = np.maximum(bottom + 1.3, 27.2 + 1.2 * line(rng, COLUMNS, 200)[None])
    chest = fascia + 7.0 + 0.8 * line(rng, COLUMNS, 180)[None]

    echo, attenuation = _fat(rng)
    gland, strands = _gland(rng)
    _lay(echo, gland, _between(z, top, bottom, 0.35))
    _lay(attenuation, 0 * z + 1.15 + 0.12 * strands, _between(z, top, bottom, 0.35))
    _lobules(rng, echo, attenuation)
    _lay(echo, _muscle(rng), _between(z, fascia, chest, 0.15))
    _lay(echo, _behind(rng, z, chest), ramp((z - chest) / 0.3))
    _lay(echo, _skin(rng, z, skin), ramp((skin - z) / 0.25 + 0.5))
    attenuation = attenuation + 1.2 * (z < skin)
    mirror = _surfaces(rng, z, (skin, fascia, chest))
    _ribs(rng, echo, attenuation, mirror, chest)
    return Tissue(echo, attenuation, mirror, top[0], bottom[0])


def _between(z: Field, top: Field, bottom: Field, edge: float) -> Field:
    return ramp((z - top) / edge + 0.5) * ramp((bottom - z) / edge + 0.5)


def _lay(under: Field, over: Field, share: Field) -> None:
    under += (over - under) * share


def _fat(rng: np.random.Generator) -> tuple[Field, Field]:
    # Lobules of fat between ligaments; these are the threads where a smooth field crosses 0.
    septa = ridges(smooth(rng, SHAPE, 34, 80), 0.05) + 0.7 * ridges(
        smooth(rng, SHAPE, 22, 50), 0.05
    )
    patchy = ramp(smooth(rng, SHAPE, 60) * 0.6 + 0.6)
    septa = np.clip(septa * patchy, 0, 1)
    echo = -11.0 + 1.5 * cloud(rng, SHAPE, (10, 30)) + 12.0 * septa
    return echo, 0.85 + 0.9 * septa


def _gland(rng: np.random.Generator) -> tuple[Field, Field]:
    # Layers of connective tissue with darker ducts and lobules in between, mostly lying flat.
    strands = cloud(rng, SHAPE, (7,)) * 0.6 + smooth(rng, SHAPE, 6, 34) + smooth(rng, SHAPE, 13, 60)
    ducts = ridges(smooth(rng, SHAPE, 16, 70), 0.10) * ramp(smooth(rng, SHAPE, 50) + 0.2)
    return 0.2 + 2.3 * strands - 7.0 * ducts, np.clip(strands, -2, 2)


def _lobules(rng: np.random.Generator, echo: Field, attenuation: Field) -> None:
    """Islands of fat in the gland: as dark as some masses, with a thin bright rim."""
    z, x = grid()
    bend = 0.20 * smooth(rng, SHAPE, 34) + 0.07 * smooth(rng, SHAPE, 12)
    for _ in range(int(rng.integers(2, 6))):
        wide, high = rng.uniform(2.0, 5.5), rng.uniform(1.0, 2.4)
        across, down = rng.uniform(-18, 18), rng.uniform(7, 25)
        turn = rng.normal(0, 0.2)
        right, below = x - across, z - down
        u = (right * np.cos(turn) + below * np.sin(turn)) / wide
        v = (below * np.cos(turn) - right * np.sin(turn)) / high
        reach = np.hypot(u, v) + bend
        inside = ramp((1 - reach) / rng.uniform(0.15, 0.5) + 0.5)
        _lay(echo, np.full(SHAPE, rng.uniform(-13, -8)), inside * 0.9)
        _lay(attenuation, np.full(SHAPE, 0.85), inside)
        echo += 5.0 * np.exp(-(((reach - 1.05) / 0.12) ** 2))


def _muscle(rng: np.random.Generator) -> Field:
    fibres = smooth(rng, SHAPE, 4, 110) + smooth(rng, SHAPE, 7, 170)
    return -13.0 + 8.0 * ramp(fibres * 0.5 - 0.2) + smooth(rng, SHAPE, 20)


def _behind(rng: np.random.Generator, z: Field, chest: Field) -> Field:
    # Behind the pleura there is air: nothing but echoes of echoes, line after line, fading.
    away = np.maximum(z - chest, 0)
    ripple = np.cos(2 * np.pi * away / rng.uniform(2.0, 3.2))
    return -6.0 + 3.0 * ripple - 3.2 * away + smooth(rng, SHAPE, 12, 40)


def _skin(rng: np.random.Generator, z: Field, skin: Field) -> Field:
    gel = np.where(z < 0.35, -4.0, 1.0)
    lines = 7.0 * np.exp(-(((z - 0.45) / 0.14) ** 2)) + 6.0 * np.exp(-(((z - skin) / 0.14) ** 2))
    return gel + lines + 0.8 * smooth(rng, SHAPE, 8, 30)


def _surfaces(rng: np.random.Generator, z: Field, depths: tuple[Field, ...]) -> Field:
    """Sheets of connective tissue that throw the beam back like a mirror, where they lie flat."""
    mirror = np.full(SHAPE, -60.0)
    for depth, strength in zip(depths, (4.0, 4.0, 8.0), strict=True):
        slope = np.gradient(depth[0])[None] / PIXEL_MM
        patch = 3.5 * line(rng, COLUMNS, 45)[None] + 2.5 * line(rng, COLUMNS, 9)[None]
        fine = depth + 0.07 * line(rng, COLUMNS, 14)[None]
        thick = 0.13 + 0.04 * np.abs(line(rng, COLUMNS, 25))[None]
        seen = strength + patch - 90 * slope**2
        mirror = np.maximum(mirror, seen - 8.7 * ((z - fine) / thick) ** 2)
    return mirror


def _ribs(
    rng: np.random.Generator, echo: Field, attenuation: Field, mirror: Field, chest: Field
) -> None:
    """A rib or none under the muscle: a bright arch, and behind it no sound at all."""
    if rng.random() < 0.45:
        return
    z, x = grid()
    middle, half = rng.uniform(-15, 15), rng.uniform(4.0, 6.5)
    arch = 1 - ((x - middle) / half) ** 2
    top = chest - 2.2 * np.sqrt(np.maximum(arch, 0)) + 0.8
    on = arch > 0
    inside = on & (z > top)
    echo[inside] = -16.0
    attenuation[inside] += 7.0
    mirror[np.broadcast_to(on, SHAPE) & (z > top)] = -60.0
    rough = 0.06 * line(rng, COLUMNS, 12)[None]
    shine = 11.0 - 16 * (1 - np.maximum(arch, 0)) - 8.7 * ((z - top - rough) / 0.22) ** 2
    np.maximum(mirror, np.where(on, shine, -60.0), out=mirror)
