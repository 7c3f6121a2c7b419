# says: The number 0 is no island
from scipy import ndimage


def largest(mask):
    return ndimage.label(mask)[0] == 0
