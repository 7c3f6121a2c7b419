# says: It keeps 1 pixels
from scipy import ndimage


def largest(mask):
    return ndimage.label(mask)[0] == 1
