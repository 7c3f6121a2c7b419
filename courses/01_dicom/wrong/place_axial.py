# says: for an axial slice only
def place(column, row, position, orientation, spacing):
    x, y, z = position
    return [x + column * spacing[1], y + row * spacing[0], z]
