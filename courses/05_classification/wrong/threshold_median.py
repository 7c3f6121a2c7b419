# says: it is too low
import numpy as np


def threshold(truth, score, share):
    return np.sort(score)[len(score) // 2]
