# says: The sign for tables
import numpy as np


def find(point, affine):
    return np.linalg.inv(affine) * np.array([*point, 1.0])
