# says: the shared area itself
def iou(one, other):
    height = max(0, min(one[2], other[2]) - max(one[0], other[0]))
    return height * max(0, min(one[3], other[3]) - max(one[1], other[1]))
