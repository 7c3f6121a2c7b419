# says: the other way round
import numpy as np


def leaked(train, test):
    return float(np.mean(np.isin(train, test)))
