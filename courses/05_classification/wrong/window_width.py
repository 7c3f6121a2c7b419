# says: Divide by `width`
import numpy as np


def window(grey, level, width):
    return np.clip(grey - (level - width / 2), 0, 1)
