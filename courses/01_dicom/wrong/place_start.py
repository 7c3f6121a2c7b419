# says: begin at `position`
import numpy as np


def place(column, row, position, orientation, spacing):
    along, down = np.array(orientation[:3]), np.array(orientation[3:])
    return column * spacing[1] * along + row * spacing[0] * down
