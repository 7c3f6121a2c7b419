# says: the other half does not
def gain(share, times):
    return times
