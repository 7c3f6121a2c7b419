"""What lies on a colon's wall or in front of it and is no polyp: bubbles, stool, fluid, forceps.

Each mark is drawn with chances that have nothing to do with polyps, so that a detector has to tell
them apart; `forceps` alone can be made a shortcut by a knob.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dicom_synthetic.colon import SIZE, Hits
from dicom_synthetic.endo_light import SHAPE, Colour
from dicom_synthetic.fields import Field, ramp, smooth

MIMICS = {"bubbles": 0.35, "stool": 0.35, "fluid": 0.25}
FORCEPS = 0.12


def _pixels() -> tuple[Field, Field]:
    line = np.arange(SIZE) + 0.5
    return np.asarray(line[:, None]), np.asarray(line[None, :])


def _mix(picture: Colour, colour: Field, share: Field) -> None:
    picture += (colour - picture) * share[..., None]


def bubbles(picture: Colour, hits: Hits, rng: np.random.Generator) -> None:
    """A raft of bubbles: dark rims, a bright crescent, a glint; what is behind shines through."""
    rows, columns = _pixels()
    angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.25, 0.42) * SIZE
    middle = SIZE / 2 + reach * np.sin(angle), SIZE / 2 + reach * np.cos(angle)
    for _ in range(int(rng.integers(3, 14))):
        row, column = np.array(middle) + rng.normal(0, 11, 2)
        size = float(np.clip(rng.gamma(2.5, 2.0), 2.0, 14.0))
        down, right = (rows - row) / size, (columns - column) / size
        away = np.hypot(down, right)
        rim = np.exp(-(((away - 0.94) / 0.10) ** 2))
        light = np.exp(-((down + 0.45) ** 2 + (right - 0.35) ** 2) / 0.02)
        picture *= (1 - 0.32 * rim)[..., None]
        crescent = np.exp(-(((away - 0.80) / 0.10) ** 2)) * np.clip(down, 0, 1)
        picture += (0.30 * crescent + 0.9 * light)[..., None]


def stool(picture: Colour, hits: Hits, rng: np.random.Generator) -> None:
    """Remains that the preparation left: yellow to brown, ragged, lit by the same light."""
    rows, columns = _pixels()
    ragged = smooth(rng, SHAPE, 14) * 0.5 + smooth(rng, SHAPE, 6) * 0.3
    colour = np.array([0.62, 0.44, 0.14]) * rng.uniform(0.75, 1.15)
    brightness = picture[..., 0]
    for _ in range(int(rng.integers(1, 4))):
        row, column = rng.uniform(0.15, 0.85, 2) * SIZE
        high, wide = rng.uniform(7, 20, 2)
        away = np.hypot((rows - row) / high, (columns - column) / wide) + ragged
        share = 0.9 * ramp((1 - away) / 0.3)
        grain = 1 + 0.22 * smooth(rng, SHAPE, 4)
        _mix(picture, (brightness * grain * 1.35)[..., None] * colour, share)


def fluid(picture: Colour, hits: Hits, rng: np.random.Generator) -> None:
    """A pool of turbid fluid on the low side of the tube, which is anywhere on the screen."""
    low = rng.uniform(0, 2 * np.pi)
    level = np.cos(low) * hits.x + np.sin(low) * hits.y
    surface = rng.uniform(9, 14)
    share = ramp((level - surface) / 2.0 + 0.04 * smooth(rng, SHAPE, 9)) * rng.uniform(0.45, 0.8)
    colour = np.array([0.70, 0.56, 0.22])
    _mix(picture, picture.mean(2, keepdims=True) * 1.7 * colour, share)
    shine = np.exp(-(((level - surface - 1) / 0.5) ** 2)) * ramp(smooth(rng, SHAPE, 10))
    picture += (0.25 * shine)[..., None]


def forceps(picture: Colour, rng: np.random.Generator) -> None:
    """Biopsy forceps that come in from the edge: a steel coil with an open jaw."""
    rows, columns = _pixels()
    angle = rng.uniform(0.15, 0.85) * np.pi
    start = np.array([SIZE / 2 + 0.5 * SIZE * np.sin(angle), SIZE / 2 + 0.5 * SIZE * np.cos(angle)])
    end = np.array([SIZE / 2, SIZE / 2]) + rng.normal(0, 26, 2)
    along = end - start
    long = float(np.hypot(*along))
    unit = along / long
    forward = (rows - start[0]) * unit[0] + (columns - start[1]) * unit[1]
    aside = (columns - start[1]) * unit[0] - (rows - start[0]) * unit[1]
    half = 9.0 - 3.5 * np.clip(forward / long, 0, 1)
    shaft = ramp((half - np.abs(aside)) / 1.2) * (forward < long)
    steel = 0.35 + 0.55 * np.sqrt(np.clip(1 - (aside / half) ** 2, 0, 1))
    steel = steel * (0.86 + 0.14 * np.cos(forward * 1.6)) + 0.5 * np.exp(
        -((aside / half + 0.4) ** 2) / 0.02
    )
    _mix(picture, steel[..., None] * np.array([0.80, 0.82, 0.86]), shaft)
    for side in (-1, 1):
        ahead = forward - long
        jaw = aside - side * (2.0 + 5.5 * np.sin(np.clip(ahead / 18, 0, 1) * 2.4))
        share = ramp((2.6 - np.abs(jaw)) / 1.0) * (ahead > -1) * (ahead < 18)
        _mix(picture, np.full((*SHAPE, 3), 0.72), share)


MARKS: dict[str, Callable[[Colour, Hits, np.random.Generator], None]] = {
    "bubbles": bubbles,
    "stool": stool,
    "fluid": fluid,
}
