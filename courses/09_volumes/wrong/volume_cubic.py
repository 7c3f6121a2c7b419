# says: divide by 1000
import numpy as np


def volume(mask, spacing):
    return float(np.sum(mask) * np.prod(spacing))
