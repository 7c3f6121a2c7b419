# says: true for what lies below
import numpy as np


def cut(values, threshold):
    return np.asarray(values) < threshold
