"""Bones, airways and lung vessels of a synthetic chest as clouds of weighted points.

Each function returns points (n, 3) in mm and weights (mm^3 times 1/mm) for `splat.splat`.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from dicom_synthetic.body import LUNG, WATER, Body, diaphragm_height, inner_depth, inner_width
from dicom_synthetic.splat import Points, tube

Cloud = tuple[Points, Points]
CORTEX = 0.029  # 1/mm above soft tissue
SPONGE = 0.0060


def join(clouds: list[Cloud]) -> Cloud:
    """Several clouds as one."""
    return np.concatenate([c[0] for c in clouds]), np.concatenate([c[1] for c in clouds])


def rib_curve(body: Body, number: int, side: int, points: int = 260) -> Points:
    """The axis (n, 3) of rib `number` (1 to 11) from spine to cartilage; side -1 is the right."""
    own = np.random.default_rng([body.seed, 5, number]).normal(0, 1, 2)
    start = body.apex + 2 + 21.5 * (number - 1) + 0.35 * number**1.5 + 1.2 * own[0]
    drop = body.rib_drop * (24 + 11.0 * number**0.9) + 3.0 * own[1]
    end = np.pi * (0.86, 0.85, 0.84, 0.82, 0.80, 0.77, 0.73, 0.68, 0.62, 0.56, 0.48)[number - 1]
    angle = np.linspace(0.09 * np.pi, end, points)
    fall = np.sin(np.clip((angle - 0.1) / 2.55, 0, 1) * np.pi / 2) ** 1.25
    z = start + drop * fall
    # The first ribs arch above the lung's apex: they keep the girth of the level below them.
    level = np.maximum(z, body.apex + 17 + 3.0 * number)
    width, depth = inner_width(body, level) + 3.5, inner_depth(body, level) + 3.5
    x = width * np.sin(angle) ** (2 / 2.3)
    y = depth * np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** (2 / 2.3)
    return np.stack([side * x, y + 6, z], axis=1)


def ribs(body: Body) -> Cloud:
    """Eleven pairs of ribs, flat towards the lung."""
    clouds = []
    for number in range(1, 12):
        for side in (-1, 1):
            curve = rib_curve(body, number, side)
            clouds.append(_blade(curve, thick=3.0, high=5.0 + 0.15 * min(number, 7)))
    return join(clouds)


def _blade(curve: Points, thick: float, high: float) -> Cloud:
    outward = curve * np.array([1.0, 1.0, 0.0])
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    tangent = _unit(np.gradient(curve, axis=0))
    upward = _unit(np.cross(tangent, outward))
    return tube(
        curve, outward, upward, radii=(thick, high), shell=0.95, shell_mu=CORTEX, core_mu=SPONGE
    )


def _unit(vectors: Points) -> Points:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9))


def _rod(curve: Points, radius: float, shell: float = 1.2, core: float = SPONGE) -> Cloud:
    tangent = _unit(np.gradient(curve, axis=0))
    helper = np.tile([0.0, 1.0, 0.05], (len(curve), 1))
    across = _unit(np.cross(tangent, helper))
    return tube(
        curve,
        across,
        _unit(np.cross(tangent, across)),
        radii=(radius, radius),
        shell=shell,
        shell_mu=CORTEX,
        core_mu=core,
    )


def clavicles(body: Body) -> Cloud:
    """Two S-shaped rods from the breastbone to the shoulders."""
    clouds = []
    for side in (-1, 1):
        t = np.linspace(0, 1, 150)
        x = 15 + (body.half_width + 2) * t
        z = body.apex + 42 - 26 * t * (1 + body.clavicle_slope) - 9 * np.sin(2 * np.pi * t)
        y = -58 + 62 * t - 10 * np.sin(2 * np.pi * t)
        clouds.append(_rod(np.stack([side * x, y, z], axis=1), 5.6, 1.5))
        head = np.linspace(0, 1, 24)
        knob = np.stack([side * (13 + 9 * head), -58 + 4 * head, body.apex + 45 - 5 * head], axis=1)
        clouds.append(_rod(knob, 7.5, 0.7))
    return join(clouds)


def spine(body: Body) -> Cloud:
    """Vertebral bodies with endplates, pedicles, transverse and spinous processes."""
    clouds = []
    back = body.half_depth - 0.9 * body.wall - 12
    z = body.apex - 45
    for number in range(15):
        tall = 18 + 0.75 * number
        half = 14.5 + 0.45 * number
        clouds.append(_vertebra(z, tall, half, back))
        z += tall + 3.6
    return join(clouds)


def _vertebra(z: float, tall: float, half: float, back: float) -> Cloud:
    # A spiral of points on the wall of a drum with a waist: even cover without moire.
    k = np.arange(900)
    up, turn = (k + 0.5) / 900 - 0.5, k * np.pi * (3 - np.sqrt(5))
    waist = half * (1 - 0.10 * (1 - (2 * up) ** 2))
    wall = np.stack(
        [waist * np.cos(turn), back + 0.8 * waist * np.sin(turn), z + tall * up], axis=1
    )
    clouds = [(wall, np.full(900, 1.8 * np.pi * half * tall / 900 * 0.9 * CORTEX))]
    disc = _disc(half, 0.8 * half)
    area = np.pi * 0.8 * half**2 / len(disc)
    for edge in (-0.5, 0.5):
        clouds.append(
            (disc + np.array([0, back, z + tall * edge]), np.full(len(disc), area * CORTEX))
        )
    inside = np.tile(disc, (5, 1))
    inside[:, 2] = tall * ((np.arange(len(inside)) * 0.7548776662466927) % 1 - 0.5)
    clouds.append((inside + np.array([0, back, z]), np.full(len(inside), area * tall / 5 * SPONGE)))
    t = np.linspace(0, 1, 14)
    for side in (-1, 1):
        arm = np.stack(
            [side * (11 + 24 * t), back + 17 + 6 * t, z - 2 - 3 * np.sin(np.pi * t)], axis=1
        )
        clouds.append(_rod(arm, 3.2, 0.8))
        pedicle = np.stack(
            [np.full(8, side * 10.5), back + np.linspace(10, 20, 8), np.full(8, z - 3)], axis=1
        )
        clouds.append(_rod(pedicle, 3.4, 1.3))
    process = np.stack([0 * t, back + 26 + 16 * t, z + 4 + 15 * t], axis=1)
    clouds.append(_rod(process, 2.6, 0.6))
    return join(clouds)


def _disc(a: float, b: float) -> Points:
    # A sunflower of points: even cover without a grid's moire.
    k = np.arange(240)
    radius, angle = np.sqrt((k + 0.5) / 240), k * np.pi * (3 - np.sqrt(5))
    return np.stack([a * radius * np.cos(angle), b * radius * np.sin(angle), 0 * radius], axis=1)


def scapulae(body: Body) -> Cloud:
    """Shoulder blades: a thin plate with thick borders, mostly turned out of the lungs."""
    clouds = []
    for side in (-1, 1):
        out = body.half_width - 62 + body.scapula_out
        corners = np.array(
            [
                [side * (out - 8), 78.0, body.apex + 28],
                [side * (out + 22), 74.0, body.apex + 168],
                [side * (out + 66), 58.0, body.apex + 40],
            ]
        )
        k = np.arange(5200)
        a, b = np.sqrt((k + 0.5) / 5200), (k * 0.6180339887498949) % 1
        plate = (
            corners[0] * (1 - a)[:, None]
            + corners[1] * (a * (1 - b))[:, None]
            + corners[2] * (a * b)[:, None]
        )
        area = np.linalg.norm(np.cross(corners[1] - corners[0], corners[2] - corners[0])) / 2
        clouds.append((plate, np.full(5200, area / 5200 * 1.5 * CORTEX)))
        t = np.linspace(0, 1, 110)[:, None]
        bow = np.sin(np.pi * t) * np.array([side * 5.0, 0, 0])
        clouds.append(_rod(corners[0] + t * (corners[1] - corners[0]) - bow, 2.0, 0.8))
        clouds.append(_rod(corners[2] + t * (corners[1] - corners[2]) - bow, 3.8, 1.5))
        crest = corners[0] + [0, 8, 28] + t * (corners[2] - corners[0] + [side * 16, 4, -42])
        clouds.append(_rod(crest, 3.0, 0.9))
    return join(clouds)


def shoulders(body: Body) -> Cloud:
    """Heads and shafts of both arm bones, at the film's upper corners."""
    clouds = []
    for side in (-1, 1):
        x, z = body.half_width + 26 + body.scapula_out / 2, body.apex + 22
        k = np.arange(2600)
        up = 1 - 2 * (k + 0.5) / 2600
        turn = k * np.pi * (3 - np.sqrt(5))
        flat = np.sqrt(1 - up**2)
        ball = np.stack([flat * np.cos(turn), flat * np.sin(turn), up], axis=1)
        shell = 4 * np.pi * 23**2 * 1.2 * CORTEX / 2600
        clouds.append((ball * 23 + [side * x, 20, z], np.full(2600, shell)))
        inside = 4 / 3 * np.pi * 23**3 * SPONGE / 2600
        depth = ((k * 0.7548776662466927) % 1)[:, None] ** (1 / 3)
        clouds.append((ball * 23 * depth + [side * x, 20, z], np.full(2600, inside)))
        t = np.linspace(0, 1, 120)
        shaft = np.stack([side * (x + 6 + 40 * t), 20 + 0 * t, z + 12 + 130 * t], axis=1)
        clouds.append(_rod(shaft, 11, 3.2, 0.0))
    return join(clouds)


def sternum(body: Body) -> Cloud:
    """The breastbone: wide, thin, hidden behind the spine's shadow."""
    front = -inner_depth(body, np.array([20.0]))[0] - 2
    t = np.linspace(0, 1, 120)
    z = body.apex + 34 + 165 * t
    curve = np.stack([0 * t, front - 8 * np.sin(np.pi * t) + 0 * t, z], axis=1)
    across = np.tile([1.0, 0, 0], (120, 1))
    return tube(
        curve,
        across,
        np.tile([0, 1.0, 0], (120, 1)),
        radii=(17, 5),
        shell=0.5,
        shell_mu=CORTEX,
        core_mu=SPONGE * 0.6,
    )


def airways(body: Body) -> Cloud:
    """Windpipe and main bronchi: air where the mediastinum would be."""
    t = np.linspace(0, 1, 170)[:, None]
    carina = np.array([1.0, 8, -44])
    top = np.array([-1.0, 14, body.apex - 60])
    lines = [(top + t * (carina - top), 9.2)]
    for side, slope in ((-1, 22), (1, 17)):
        end = carina + np.array([side * (25 if side < 0 else 29), 4, slope])
        lines.append((carina + t * (end - carina), 6.0))
    return join([_pipe(curve, radius) for curve, radius in lines])


def _pipe(curve: Points, radius: float, samples: int = 24) -> Cloud:
    # Points spread through a column of air, never twice at the same place of its cross-section.
    step = np.linalg.norm(np.gradient(curve, axis=0), axis=1)
    k = np.arange(len(curve) * samples)
    reach, turn = radius * np.sqrt((k * 0.7548776662466927) % 1), k * np.pi * (3 - np.sqrt(5))
    offset = np.stack([reach * np.cos(turn), reach * np.sin(turn), 0 * reach], axis=1)
    weight = -np.pi * radius**2 * WATER * 0.95 * step / samples
    return np.repeat(curve, samples, axis=0) + offset, np.repeat(weight, samples)


def vessels(body: Body) -> Cloud:
    """A branching tree of vessels in each lung, thicker towards the base, from the body's seed."""
    rng = np.random.default_rng([body.seed, 7])
    clouds = []
    for side in (-1, 1):
        hilum = np.array([side * 36.0, 4, 6.0 if side < 0 else -4.0])
        count = 17
        start = hilum + rng.normal(0, 1, (count, 3)) * [5, 9, 13]
        turn = np.linspace(-1.25, 1.45, count) + rng.normal(0, 0.12, count)
        ahead = np.stack([side * np.cos(turn), rng.normal(0, 0.45, count), np.sin(turn)], axis=1)
        radius = 3.5 + 0.8 * np.sin(turn) + rng.normal(0, 0.4, count)
        clouds += _grow(rng, start, _unit(ahead), radius)
    points, weights = join(clouds)
    keep = _in_lung(body, points)
    return points[keep], weights[keep]


def _grow(rng: np.random.Generator, start: Points, ahead: Points, radius: Points) -> list[Cloud]:
    clouds = []
    for depth in range(7):
        steps, stride = 15, (2.3, 2.0, 1.7, 1.5, 1.3, 1.1, 1.0)[depth]
        place = start
        for step in range(steps):
            ahead = _unit(ahead + rng.normal(0, 0.085, ahead.shape))
            place = place + ahead * stride
            thin = radius * (1 - 0.25 * step / steps)
            clouds.append(_slice(rng, place, thin, stride, samples=16 if depth < 2 else 4))
        children = 2
        start = np.repeat(place, children, axis=0)
        spread = 0.50 if depth else 0.38
        ahead = _unit(np.repeat(ahead, children, axis=0) + rng.normal(0, spread, (len(start), 3)))
        radius = np.repeat(radius * 0.75, children) * rng.uniform(0.72, 1.05, len(start))
        alive = radius > 0.28
        start, ahead, radius = start[alive], ahead[alive], radius[alive]
    return clouds


def _slice(
    rng: np.random.Generator, place: Points, radius: Points, stride: float, samples: int
) -> Cloud:
    offset = rng.normal(0, 0.5, (len(place), samples, 3)) * radius[:, None, None]
    weight = np.pi * radius**2 * stride * WATER * (1 - LUNG) / samples
    return (place[:, None] + offset).reshape(-1, 3), np.repeat(weight, samples)


def _in_lung(body: Body, points: Points) -> np.ndarray:
    x, y, z = points[:, 0], points[:, 1], points[:, 2]
    width = np.maximum(inner_width(body, z), 1e-6)
    depth = np.maximum(inner_depth(body, z), 1e-6)
    inside = (np.abs(x) / width) ** 2.3 + (np.abs(y - 6) / depth) ** 2.1 < 0.95
    floor = diaphragm_height(body, x, 0.0) + 0.0085 * (y + 14) ** 2
    return np.asarray(inside & (z < floor))


# The films of a patient follow one another, and their clouds are the same.
@lru_cache(maxsize=1)
def inner_parts(body: Body) -> Cloud:
    """All that is drawn by points: bones, airways and lung vessels."""
    parts = (ribs, clavicles, spine, scapulae, shoulders, sternum, airways, vessels)
    return join([part(body) for part in parts])
