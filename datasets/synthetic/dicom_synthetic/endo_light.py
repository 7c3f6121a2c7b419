"""The endoscope's light on a wet wall: colour, shading, glare, exposure, the sensor's noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from dicom_synthetic.colon import FAR, SIZE, Colon, Hits, rays
from dicom_synthetic.fields import Field, cloud, ramp, ridges, smooth

Colour = NDArray[np.float64]  # (rows, columns, 3), 0 to 1
SHAPE = (SIZE, SIZE)
_MAP = (520, 420)  # of the wall: along, 0.25 mm a row; around


@dataclass(frozen=True)
class Camera:
    """How a frame is taken: exposure, white balance, sharpness (pixels), noise, haze."""

    exposure: float
    balance: tuple[float, float, float]
    blur: float
    noise: float
    sheen: float
    seed: int


def draw_camera(rng: np.random.Generator, noise: float) -> Camera:
    """A camera as clinics have them; `noise` times the usual."""
    return Camera(
        exposure=float(rng.uniform(0.85, 1.15)),
        balance=(1.0, float(rng.uniform(0.92, 1.06)), float(rng.uniform(0.88, 1.1))),
        blur=float(rng.uniform(0.55, 1.1)),
        noise=0.012 * noise,
        sheen=float(rng.uniform(0.6, 1.4)),
        seed=int(rng.integers(2**31)),
    )


@dataclass
class Scene:
    """What the light falls on: colour (albedo), height of the fine relief, and the hits."""

    albedo: Colour
    relief: Field
    hits: Hits


def draw_scene(colon: Colon, hits: Hits, rng: np.random.Generator, contrast: float) -> Scene:
    """Mucosa with its vessels on the wall, polyps in their own colour."""
    wall = _wall_maps(rng)
    row = np.clip(hits.z * 4, 0, _MAP[0] - 1)
    column = (hits.around / (2 * np.pi) + 0.5) * (_MAP[1] - 1)
    places = np.stack([row, column])
    tone, redness, vessels, relief = (
        map_coordinates(one, places, order=1, mode="nearest") for one in wall
    )
    on_wall = (hits.owner == 0).astype(float)
    vessels = vessels * on_wall
    albedo = np.empty((*SHAPE, 3))
    albedo[..., 0] = 0.86 + 0.05 * tone - 0.10 * vessels
    albedo[..., 1] = 0.43 + 0.06 * tone - 0.06 * redness - 0.20 * vessels
    albedo[..., 2] = 0.31 + 0.05 * tone - 0.05 * redness - 0.15 * vessels
    relief = 0.09 * relief
    for number, polyp in enumerate(colon.polyps, start=1):
        on = gaussian_filter((hits.owner == number).astype(float), 1.2)
        pits = smooth(np.random.default_rng(polyp.seed), SHAPE, 5)
        shade = contrast * polyp.pale
        change = np.array([0.03 * shade - 0.02, 0.10 * shade - 0.03, 0.10 * shade - 0.02])
        albedo += on[..., None] * (change + 0.03 * contrast * pits[..., None])
        relief = relief + 0.05 * on * pits
    return Scene(np.clip(albedo, 0.02, 1), relief, hits)


def _wall_maps(rng: np.random.Generator) -> tuple[Field, ...]:
    tone = cloud(rng, _MAP, (14, 40, 90))
    redness = cloud(rng, _MAP, (25, 60))
    thin, thick = smooth(rng, _MAP, 20), smooth(rng, _MAP, 36)
    vessels = 0.6 * ridges(thin, 0.07) + ridges(thick, 0.05)
    vessels = vessels * ramp(smooth(rng, _MAP, 70) * 0.7 + 0.7)
    relief = cloud(rng, _MAP, (4, 9, 18))
    return tuple(_closed(one) for one in (tone, redness, vessels, relief))


def _closed(field: Field) -> Field:
    """The field with its last columns faded into its first, so that it closes around the tube."""
    width = 50
    share = np.linspace(0, 1, width)[None]
    closed = field.copy()
    mirrored = field[:, :width][:, ::-1]
    closed[:, -width:] = field[:, -width:] * (1 - share) + mirrored * share
    return closed


def light(scene: Scene, camera: Camera, rng: np.random.Generator) -> Colour:
    """The lit scene before anything lies on the lens: linear light scaled to the exposure."""
    hits = scene.hits
    nx, ny, nz = _bumped(scene)
    dx, dy, dz = rays(SIZE)
    lit, glare = np.zeros(SHAPE), np.zeros(SHAPE)
    wet = ramp(smooth(rng, SHAPE, 7) * 0.6 + 0.5)
    for side in (-1.0, 1.0):
        lx, ly, lz = 3.0 * side - hits.x, 1.0 - hits.y, -hits.z
        away = np.sqrt(lx * lx + ly * ly + lz * lz)
        lx, ly, lz = lx / away, ly / away, lz / away
        # Soft wrap: light scatters under the mucosa and comes out beside.
        facing = np.clip((nx * lx + ny * ly + nz * lz + 0.3) / 1.3, 0.1, 1)
        power = 1 / (1 + (away / 42) ** 2)
        lit += facing * power
        hx, hy, hz = lx - dx, ly - dy, lz - dz
        half = (nx * hx + ny * hy + nz * hz) / np.sqrt(hx * hx + hy * hy + hz * hz)
        glare += np.clip(half, 0, 1) ** 320 * power
    lit *= _crevices(hits.distance)
    usual = np.percentile(lit[_open()], 60)
    picture = scene.albedo * (lit / usual * 0.72 * camera.exposure)[..., None]
    # What light is left far down the tube has been on mucosa many times: it is deep red.
    depth = np.clip(hits.distance / FAR, 0, 1)[..., None]
    picture *= 1 - depth * np.array([0.1, 0.35, 0.45])
    return picture + (camera.sheen * 2.2 * glare * wet / usual)[..., None]


def _bumped(scene: Scene) -> tuple[Field, Field, Field]:
    down, right = np.gradient(scene.relief)
    scale = 2.4 * np.clip(30 / scene.hits.distance, 0.3, 1.6)
    nx = scene.hits.normal[0] - scale * right
    ny = scene.hits.normal[1] - scale * down
    nz = scene.hits.normal[2]
    long = np.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
    return nx / long, ny / long, nz / long


def _crevices(distance: Field) -> Field:
    # Where neighbours are nearer, less light comes in from the sides.
    deeper = np.log(distance) - gaussian_filter(np.log(distance), 7)
    return np.asarray(np.clip(1 - 0.7 * np.maximum(deeper, 0), 0.5, 1))


def _open() -> NDArray[np.bool_]:
    return frame_shape() > 0.5


def frame_shape() -> Field:
    """1 inside the endoscope's round picture with its flattened sides, 0 in the black corners."""
    line = (np.arange(SIZE) + 0.5) / SIZE * 2 - 1
    right, down = np.meshgrid(line, line)
    edge = np.minimum(1.04 - np.hypot(right, down), 0.97 - np.maximum(abs(right), abs(down)))
    return ramp(edge / 0.02 + 0.5)


def expose(picture: Colour, camera: Camera, rng: np.random.Generator) -> NDArray[np.uint8]:
    """What the processor sends to the screen: uint8 (rows, columns, 3)."""
    picture = np.maximum(picture, 0) * np.array(camera.balance)
    picture = gaussian_filter(picture, (camera.blur, camera.blur, 0))
    picture = picture / (1 + 0.38 * np.maximum(picture - 0.35, 0)) * 1.12
    noise = gaussian_filter(rng.standard_normal(picture.shape), (0.6, 0.6, 0)) * 1.8
    picture = picture + camera.noise * noise * (0.6 + 0.5 * np.sqrt(np.clip(picture, 0, 1)))
    line = (np.arange(SIZE) + 0.5) / SIZE * 2 - 1
    picture *= (1 - 0.22 * np.add.outer(line**2, line**2))[..., None]
    screen = np.clip(picture, 0, 1) ** 0.80 * frame_shape()[..., None]
    return np.rint(255 * screen).astype(np.uint8)
