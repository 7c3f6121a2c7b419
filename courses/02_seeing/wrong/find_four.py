# says: keep the first three
import numpy as np


def find(point, affine):
    return np.linalg.inv(affine) @ np.array([*point, 1.0])
