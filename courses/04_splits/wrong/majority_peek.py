# says: Whoever knows that has looked
import numpy as np


def majority(y_train, y_test):
    return float(np.mean(y_test == (np.mean(y_test) > 0.5)))
