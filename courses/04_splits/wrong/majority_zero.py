# says: When 1 is more common
import numpy as np


def majority(y_train, y_test):
    return float(np.mean(np.asarray(y_test) == 0))
