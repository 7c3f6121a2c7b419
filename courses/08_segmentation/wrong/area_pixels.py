# says: the number of pixels
import numpy as np


def area(mask, spacing):
    return np.sum(mask)
