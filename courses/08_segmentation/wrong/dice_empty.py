# says: Two empty masks agree fully
import numpy as np


def dice(mask, truth):
    mask, truth = np.asarray(mask, bool), np.asarray(truth, bool)
    total = mask.sum() + truth.sum()
    return 2 * (mask & truth).sum() / total if total else 0.0
