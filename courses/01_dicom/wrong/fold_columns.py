# says: rows come first
import numpy as np


def fold(data, rows, columns):
    return np.frombuffer(data, dtype="<u2").reshape(columns, rows)
