# says: two steps are exchanged
import numpy as np


def place(column, row, position, orientation, spacing):
    along, down = np.array(orientation[:3]), np.array(orientation[3:])
    return np.array(position) + column * spacing[0] * along + row * spacing[1] * down
