# says: Image first
def flip(x, y):
    return y.flip(-1), x.flip(-1)
