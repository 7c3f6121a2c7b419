"""Masses in a breast: cysts, fibroadenomas and carcinomas, by what BI-RADS describes of them.

Shape, orientation, margin, echo and what lies behind are drawn with chances that overlap between
kinds, as in life: no single feature tells benign from malignant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dicom_synthetic.fields import Field, ramp, smooth
from dicom_synthetic.us_tissue import SHAPE, Tissue, grid

KINDS = {"cyst": "benign", "fibroadenoma": "benign", "carcinoma": "malignant"}


@dataclass(frozen=True)
class Mass:
    """A mass: half axes in mm, `echo` and `halo` in dB, `attenuation` in dB/mm, angles in radians.

    `waves` are amplitudes and phases of the outline by number of lobes; `spikes` are angle, length
    and width of spicules, in half axes and radians; `edge` is how gradual the margin is.
    """

    kind: str
    across: float
    down: float
    half_width: float
    half_height: float
    turn: float
    waves: tuple[tuple[int, float, float], ...]
    spikes: tuple[tuple[float, float, float], ...]
    echo: float
    texture: float
    edge: float
    halo: float
    attenuation: float
    seed: int

    @property
    def posterior(self) -> str:
        """What is seen behind it."""
        if self.attenuation > 1.6:
            return "shadowing"
        return "enhancement" if self.attenuation < 0.7 else "none"

    @property
    def margin(self) -> str:
        """The margin in the words of BI-RADS."""
        if self.spikes:
            return "spiculated"
        if self.edge > 0.16:
            return "indistinct"
        lobed = sum(size for lobes, size, _ in self.waves if lobes > 4)
        return "microlobulated" if lobed > 0.08 else "circumscribed"

    @property
    def shape(self) -> str:
        """The shape in the words of BI-RADS."""
        if self.spikes or sum(size for _, size, _ in self.waves) > 0.24:
            return "irregular"
        return "round" if 0.88 < self.half_height / self.half_width < 1.14 else "oval"

    @property
    def orientation(self) -> str:
        """Parallel to the skin (wider than tall) or not."""
        return "parallel" if self.half_width >= self.half_height else "not parallel"


# A threshold finds most masses at 1, and leaves a network nothing to be better at.
FAINTER = 0.8


def draw_mass(rng: np.random.Generator, kind: str, size: float, contrast: float) -> Mass:
    """A mass of `kind`; `size` times as large and `contrast` times as dark as usual."""
    draw = {"cyst": _cyst, "fibroadenoma": _fibroadenoma, "carcinoma": _carcinoma}[kind]
    mean = size * float(np.clip(np.exp(rng.normal(1.45, 0.28)), 2.2, 7.5))
    features = draw(rng)
    flat = np.sqrt(features.pop("flat"))
    return Mass(
        kind=kind,
        across=float(rng.uniform(-9, 9)),
        down=float(rng.uniform(0.25, 0.75)),
        half_width=mean / flat,
        half_height=mean * flat,
        turn=float(rng.normal(0, 0.2)),
        echo=features.pop("echo") * contrast * FAINTER,
        seed=int(rng.integers(2**31)),
        **features,
    )


def _waves(
    rng: np.random.Generator, sizes: dict[int, float]
) -> tuple[tuple[int, float, float], ...]:
    return tuple(
        (lobes, abs(rng.normal(0, size)), rng.uniform(0, 2 * np.pi))
        for lobes, size in sizes.items()
    )


def _cyst(rng: np.random.Generator) -> dict:  # type: ignore[type-arg]
    debris = rng.random() < 0.35
    return {
        "flat": rng.uniform(0.6, 1.05),
        "waves": _waves(rng, {2: 0.03, 3: 0.04}),
        "spikes": (),
        "echo": rng.uniform(-24, -17) if debris else rng.uniform(-42, -30),
        "texture": 1.0,
        "edge": rng.uniform(0.03, 0.07),
        "halo": rng.uniform(0, 3),
        "attenuation": rng.uniform(0.0, 0.5),
    }


def _fibroadenoma(rng: np.random.Generator) -> dict:  # type: ignore[type-arg]
    lobed = rng.random() < 0.3
    return {
        "flat": rng.uniform(0.48, 1.1),
        "waves": _waves(rng, {2: 0.04, 3: 0.06, 5: 0.06 if lobed else 0.01}),
        "spikes": (),
        "echo": rng.uniform(-18, -10),
        "texture": rng.uniform(0.5, 1.5),
        "edge": rng.uniform(0.04, 0.2),
        "halo": rng.uniform(0, 2.5),
        "attenuation": rng.choice([0.5, 0.9, 1.1, 1.9], p=[0.25, 0.3, 0.3, 0.15]),
    }


def _carcinoma(rng: np.random.Generator) -> dict:  # type: ignore[type-arg]
    # One in four looks harmless at first: round, smooth, without a shadow.
    tame = rng.random() < 0.25
    spikes = () if tame or rng.random() < 0.35 else _spikes(rng)
    lobes = {2: 0.06, 3: 0.05, 5: 0.02} if tame else {2: 0.08, 3: 0.10, 5: 0.06, 7: 0.05, 11: 0.03}
    return {
        "flat": rng.uniform(0.6, 1.0) if tame else rng.uniform(0.6, 1.25),
        "waves": _waves(rng, lobes),
        "spikes": spikes,
        "echo": rng.uniform(-21, -12),
        "texture": rng.uniform(1.0, 2.6),
        "edge": rng.uniform(0.06, 0.28),
        "halo": rng.uniform(0, 5),
        "attenuation": rng.choice([0.9, 1.2, 2.0, 2.8, 3.6], p=[0.2, 0.15, 0.25, 0.25, 0.15]),
    }


def _spikes(rng: np.random.Generator) -> tuple[tuple[float, float, float], ...]:
    return tuple(
        (rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.6), rng.uniform(0.07, 0.16))
        for _ in range(int(rng.integers(5, 12)))
    )


def paint_mass(tissue: Tissue, mass: Mass) -> NDArray[np.bool_]:
    """Put the mass into the tissue's maps; its exact outline as a mask (ROWS, COLUMNS)."""
    rng = np.random.default_rng([mass.seed, 1])
    z, x = grid()
    column = int(np.clip((mass.across - x[0, 0]) * 10, 0, SHAPE[1] - 1))
    top, bottom = tissue.gland_top[column], tissue.gland_bottom[column]
    deep = max(top + mass.down * (bottom - top), mass.half_height + 2.6)
    right, below = x - mass.across, z - deep
    u = (right * np.cos(mass.turn) + below * np.sin(mass.turn)) / mass.half_width
    v = (below * np.cos(mass.turn) - right * np.sin(mass.turn)) / mass.half_height
    rough = 0.025 if mass.margin == "circumscribed" else 0.09
    bend = rough * (smooth(rng, SHAPE, 22) + 0.5 * smooth(rng, SHAPE, 9))
    reach = np.hypot(u, v) / _outline(mass, np.arctan2(v, u)) + bend
    inside = ramp((1 - reach) / mass.edge + 0.5)
    halo = mass.halo * np.exp(-(((reach - 1.12) / 0.14) ** 2))
    inner = mass.echo + mass.texture * (smooth(rng, SHAPE, 9) + 0.6 * smooth(rng, SHAPE, 20))
    tissue.echo += halo + (inner - tissue.echo) * inside
    tissue.attenuation += (mass.attenuation - tissue.attenuation) * inside
    # A smooth round wall bends the beam away: a thin shadow from either edge.
    if mass.margin == "circumscribed":
        graze = np.exp(-(((np.abs(u) - 0.97) / 0.06) ** 2)) * (np.abs(v) < 0.25)
        tissue.attenuation += 3.0 * graze
    tissue.mirror = np.maximum(tissue.mirror, _wall(mass, reach, v))
    return np.asarray(reach < 1)


def _outline(mass: Mass, angle: Field) -> Field:
    total = np.ones_like(angle)
    for lobes, size, phase in mass.waves:
        total += size * np.cos(lobes * angle + phase)
    for middle, length, width in mass.spikes:
        away = np.angle(np.exp(1j * (angle - middle)))
        total += length * np.exp(-((away / width) ** 2))
    return np.maximum(total, 0.35)


def _wall(mass: Mass, reach: Field, v: Field) -> Field:
    # Front and back wall of a smooth mass lie across the beam and shine.
    if mass.margin != "circumscribed" or mass.edge > 0.1:
        return np.full(SHAPE, -60.0)
    flat = np.clip((np.abs(v) - 0.75) / 0.25, 0, 1)
    return np.asarray(-60 + 62 * np.exp(-(((reach - 1.0) / 0.05) ** 2)) * flat)
