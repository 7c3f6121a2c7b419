# says: use >= instead of >
import numpy as np


def cut(values, threshold):
    return np.asarray(values) > threshold
