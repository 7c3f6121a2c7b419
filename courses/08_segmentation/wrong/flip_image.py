# says: the mask lies
def flip(x, y):
    return x.flip(-1), y
