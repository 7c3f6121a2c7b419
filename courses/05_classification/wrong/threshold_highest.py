# says: a lower threshold does, too
import numpy as np


def threshold(truth, score, share):
    return np.max(score)
