# says: the new from the old
def gain(new, old):
    return np.quantile(np.asarray(old) - np.asarray(new), [0.025, 0.975])
