# says: the draws are lost
import numpy as np


def auc(truth, score):
    return float(np.mean(score[truth == 1][:, None] > score[truth == 0]))
