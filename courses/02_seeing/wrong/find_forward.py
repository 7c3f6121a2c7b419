# says: It goes forward once more
import numpy as np


def find(point, affine):
    return (affine @ np.array([*point, 1.0]))[:3]
