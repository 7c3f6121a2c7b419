# says: you dealt slices
import numpy as np


def deal(patients, share, seed):
    return np.random.default_rng(seed).random(len(patients)) < share
