# says: that stay as they were
def gain(share, times):
    return times / share
