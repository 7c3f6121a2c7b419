# says: True means test
import numpy as np


def deal(patients, share, seed):
    names = np.random.default_rng(seed).permutation(np.unique(patients))
    return ~np.isin(patients, names[: round(share * len(names))])
