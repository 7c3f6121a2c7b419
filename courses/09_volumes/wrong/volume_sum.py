# says: The three distances are added
import numpy as np


def volume(mask, spacing):
    return float(np.sum(mask) * sum(spacing) / 1000)
