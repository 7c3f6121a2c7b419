# says: the minus is missing
import numpy as np


def loss(truth, said):
    return float(np.mean(np.log(np.where(truth == 1, said, 1 - said))))
