# says: lies above the upper one
import numpy as np


def interval(draws):
    return np.quantile(draws, 0.975), np.quantile(draws, 0.025)
