# says: is a count
import numpy as np


def leaked(train, test):
    return float(np.sum(np.isin(test, train)))
