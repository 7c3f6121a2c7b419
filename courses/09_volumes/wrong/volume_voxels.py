# says: It counts voxels
import numpy as np


def volume(mask, spacing):
    return float(np.sum(mask))
