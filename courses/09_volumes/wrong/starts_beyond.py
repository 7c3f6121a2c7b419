# says: beyond the edge
def starts(length, window, step):
    return list(range(0, length, step))
