"""Invented patients, each with a chest film, a piece of tissue, a table and an outcome.

A film of the set `chest-film` is joined with pieces of tiles of the set `histology` by lot, within
the same split. What happens to a patient is then drawn from a known chance (`chance`), so that the
best possible reader, the ceiling, is known: nobody can rank patients better than by their chance.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

PIECES = 3  # a tile is cut into 3 x 3 pieces
FILM_SIZE, TILE_SIZE = 64, 252
COLUMNS = ("age", "pack_years", "marker")
GRADES = ("normal", "low", "high")
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Cohort:
    """Invented patients of one split, n of them.

    `films` (m, 64, 64) and `pieces` (k, 3, 84, 84) are the images; patient i has the film
    `film_of[i]`, the piece `piece_of[i]` and the row `table[i]` of `COLUMNS`. `relapse` is 1 where
    the disease came back, `chance` how likely that was. `person` is who is on the film: invented
    patients with the same film are one witness. `opacity` and `grade` are what the images show.
    """

    films: np.ndarray
    pieces: np.ndarray
    film_of: np.ndarray
    piece_of: np.ndarray
    table: np.ndarray
    relapse: np.ndarray
    chance: np.ndarray
    person: np.ndarray
    opacity: np.ndarray
    grade: np.ndarray

    def __len__(self):
        return len(self.relapse)


def join(films, tiles, split, seed, copies=5):
    """The cohort of one split; each film is used `copies` times, with other tissue each time."""
    here = films.split(split)
    shown, opacity = here.arrays(FILM_SIZE)
    pieces, grades = _pieces(tiles.split(split))
    dice = np.random.default_rng([seed, SPLITS.index(split)])
    film_of = np.tile(np.arange(len(shown)), copies)
    rounds = -(-len(film_of) // len(pieces))
    piece_of = np.concatenate([dice.permutation(len(pieces)) for _ in range(rounds)])
    piece_of = piece_of[: len(film_of)]
    table = _table(len(film_of), dice)
    chance = _chance(opacity[film_of], grades[piece_of], table)
    relapse = (dice.random(len(film_of)) < chance).astype(int)
    person = np.array([film.patient_id for film in here])[film_of]
    return Cohort(
        films=shown[:, 0],
        pieces=pieces,
        film_of=film_of,
        piece_of=piece_of,
        table=table,
        relapse=relapse,
        chance=chance,
        person=person,
        opacity=opacity[film_of],
        grade=grades[piece_of],
    )


def even_out(film):
    """Films (n, 64, 64) without slow changes of brightness, each as contrasty as the next."""
    slow = ndimage.gaussian_filter(film, (0, FILM_SIZE / 16, FILM_SIZE / 16))
    busy = np.sqrt(ndimage.gaussian_filter((film - slow) ** 2, (0, 6, 6)))
    return (film - slow) / (busy + 0.03)


def measure_film(film, usual):
    """Seven numbers of each film: how unlike the `usual` films it is, and how large its blobs are.

    `usual` is the mean and the spread of the training films after `even_out`, place by place.
    """
    mean, spread = usual
    rows = []
    for odd in (even_out(film) - mean) / spread:
        row = [odd.mean(), odd.std(), np.abs(odd - odd[:, ::-1]).mean()]
        for radius in (1, 2, 3, 4):
            blob = -ndimage.gaussian_laplace(odd, radius) * radius**2
            row.append(blob[8:-8, 8:-8].max())
        rows.append(row)
    return np.array(rows)


def measure_tissue(tissue):
    """Eight numbers of each piece (n, 3, 84, 84): how many dark spots, how large, how ordered."""
    rows = []
    for one in tissue:
        dark = 1 - one[0]  # nuclei swallow red light
        dark = (dark - dark.mean()) / (dark.std() + 1e-6)
        row = [np.mean(dark > 1), np.mean(dark < -1), one.mean()]
        for radius in (1.5, 3, 6, 12):
            smooth = ndimage.gaussian_filter(dark, radius)
            row.append(smooth.std())
        row.append(np.percentile(dark, 95) - np.percentile(dark, 50))
        rows.append(row)
    return np.array(rows)


def measure_table(table):
    """Three numbers of each row: age, pack-years, and the marker's logarithm, which has no tail."""
    age, pack_years, marker = table.T
    return np.column_stack([age, pack_years, np.log(marker)])


def _pieces(tiles):
    shown, _ = tiles.arrays(TILE_SIZE)
    edge = TILE_SIZE // PIECES
    grades = np.array([GRADES.index(grade) for grade in tiles.column("grade")])
    cut = [
        shown[:, :, row * edge : (row + 1) * edge, column * edge : (column + 1) * edge]
        for row in range(PIECES)
        for column in range(PIECES)
    ]
    return np.concatenate(cut), np.tile(grades, PIECES**2)


def _table(count, dice):
    age = np.clip(dice.normal(63, 11, count), 30, 92)
    pack_years = np.where(dice.random(count) < 0.4, 0, dice.gamma(2.5, 12, count))
    marker = np.exp(dice.normal(1.2, 0.6, count))
    return np.column_stack([age, pack_years, marker])


def _chance(opacity, grade, table):
    """The rule that patients follow, and that no reader is told."""
    age, pack_years, marker = table.T
    risk = -4.4 + 2.6 * opacity + 1.2 * grade
    risk = risk + 2.2 * (np.log(marker) - 1.2) + 0.035 * (pack_years - 18) + 0.02 * (age - 63)
    # Together they are worse than their sum: that is what late fusion cannot see.
    risk = risk + 1.0 * opacity * (grade == 2)
    return 1 / (1 + np.exp(-risk))


def information(counts):
    """Mutual information of two pictures, in natural units, from their joint histogram."""
    together = counts / counts.sum()
    alone = together.sum(axis=1, keepdims=True) * together.sum(axis=0, keepdims=True)
    filled = together > 0
    return float(np.sum(together[filled] * np.log(together[filled] / alone[filled])))


def standardise(usual, others):
    """`others` minus the mean of `usual`, divided by its spread, column by column."""
    return (others - usual.mean(axis=0)) / usual.std(axis=0)


def late(risks):
    """The mean of the sources that are there."""
    return np.nanmean(risks, axis=1)


def gain(new, old):
    """The 95 % interval of the difference, draw by draw."""
    return np.quantile(np.asarray(new) - np.asarray(old), [0.025, 0.975])
