# says: Take the mean
import numpy as np


def loss(truth, said):
    return float(-np.sum(np.log(np.where(truth == 1, said, 1 - said))))
