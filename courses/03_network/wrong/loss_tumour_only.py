# says: There it is 1 - said
import numpy as np


def loss(truth, said):
    return float(-np.mean(np.log(said)))
