# says: twice as wide
def ends(level, width):
    return level - width, level + width
