# says: one long list
import numpy as np


def fold(data, rows, columns):
    return np.frombuffer(data, dtype="<u2")
