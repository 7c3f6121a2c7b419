# says: the last 4 are never seen
def starts(length, window, step):
    return list(range(0, length - window + 1, step))
