# says: In training measurement 3 differs most
import numpy as np


def choose(x, y, train, count):
    x, y = x[train], y[train]
    difference = np.abs(x[y == 1].mean(axis=0) - x[y == 0].mean(axis=0))
    return np.argsort(difference)[:count]
