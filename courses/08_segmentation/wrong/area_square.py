# says: one side twice
import numpy as np


def area(mask, spacing):
    return np.sum(mask) * spacing[0] ** 2
