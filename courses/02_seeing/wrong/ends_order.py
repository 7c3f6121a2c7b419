# says: first the dark one
def ends(level, width):
    return level + width / 2, level - width / 2
