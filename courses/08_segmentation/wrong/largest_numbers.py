# says: not a mask
from scipy import ndimage


def largest(mask):
    return ndimage.label(mask)[0]
