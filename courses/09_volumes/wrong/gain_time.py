# says: is how long it takes now
def gain(share, times):
    return (1 - share) + share / times
