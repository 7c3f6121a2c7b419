# says: Begin at `darkest`
import numpy as np


def window(grey, level, width):
    return np.clip((grey - level + width) / width, 0, 1)
