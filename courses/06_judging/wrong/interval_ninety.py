# says: that holds 90
import numpy as np


def interval(draws):
    return np.quantile(draws, 0.05), np.quantile(draws, 0.95)
