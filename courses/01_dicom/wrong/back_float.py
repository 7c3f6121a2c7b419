# says: decimal point
import numpy as np


def to_stored(hu, slope, intercept):
    return np.round((np.asarray(hu) - intercept) / slope)
