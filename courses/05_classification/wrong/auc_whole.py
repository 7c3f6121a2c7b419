# says: a draw counts half, not whole
import numpy as np


def auc(truth, score):
    return float(np.mean(score[truth == 1][:, None] >= score[truth == 0]))
