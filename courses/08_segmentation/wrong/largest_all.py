# says: All three spots
import numpy as np


def largest(mask):
    return np.asarray(mask, dtype=bool)
