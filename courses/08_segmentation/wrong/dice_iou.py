# says: divides by the sum of both
import numpy as np


def dice(mask, truth):
    mask, truth = np.asarray(mask, bool), np.asarray(truth, bool)
    either = (mask | truth).sum()
    return (mask & truth).sum() / either if either else 1.0
