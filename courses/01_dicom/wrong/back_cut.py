# says: cut off
import numpy as np


def to_stored(hu, slope, intercept):
    return ((np.asarray(hu) - intercept) / slope).astype(int)
