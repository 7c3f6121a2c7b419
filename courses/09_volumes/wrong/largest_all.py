# says: All islands are still there
import numpy as np


def largest(mask):
    return np.asarray(mask, dtype=bool)
