"""Lengths along parallel rays: each shape is an interval of depth (low, high) at each pixel.

A chest made of convex parts needs no volume of voxels: how much air a ray crosses is the length of
the lung's interval without those of heart, mediastinum and diaphragm, by inclusion and exclusion.
Empty intervals have high <= low.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float64]
Interval = tuple[Map, Map]


def length(interval: Interval) -> Map:
    """Length of the interval at each pixel, 0 where it is empty."""
    low, high = interval
    return np.maximum(high - low, 0)


def overlap(*intervals: Interval) -> Interval:
    """The part that all intervals share."""
    low, high = intervals[0]
    for other_low, other_high in intervals[1:]:
        low, high = np.maximum(low, other_low), np.minimum(high, other_high)
    return low, high


def without(whole: Interval, holes: Sequence[Interval]) -> Map:
    """Length of `whole` that lies in none of `holes`."""
    inside = [overlap(whole, hole) for hole in holes]
    covered = np.zeros_like(whole[0])
    for count in range(1, len(inside) + 1):
        sign = 1.0 if count % 2 else -1.0
        for some in combinations(inside, count):
            covered += sign * length(overlap(*some))
    return np.maximum(length(whole) - covered, 0)


def around(centre: Map | float, half: Map) -> Interval:
    """The interval of half-length `half` around `centre`; empty where `half` is 0."""
    return centre - half, centre + half


def bulge(x: Map, z: Map, power: float = 2.0) -> Map:
    """1 in the middle, 0 at |x|^p + |z|^p >= 1: the outline of an ellipsoid in its own units."""
    inside = 1 - np.abs(x) ** power - np.abs(z) ** power
    return np.maximum(inside, 0) ** (1 / power)
