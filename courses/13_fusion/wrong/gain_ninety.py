# says: 90 of 100
def gain(new, old):
    return np.quantile(np.asarray(new) - np.asarray(old), [0.05, 0.95])
