# says: count slices
import numpy as np


def leaked(train, test):
    return float(np.mean(np.isin(np.unique(test), train)))
