# says: You compared two intervals
def gain(new, old):
    return np.quantile(new, [0.025, 0.975]) - np.quantile(old, [0.025, 0.975])
