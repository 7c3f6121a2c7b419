# says: count the shared area twice
import numpy as np


def dice(mask, truth):
    mask, truth = np.asarray(mask, bool), np.asarray(truth, bool)
    total = mask.sum() + truth.sum()
    return (mask & truth).sum() / total if total else 1.0
