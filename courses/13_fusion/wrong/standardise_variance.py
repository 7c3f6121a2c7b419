# says: divide by the variance
def standardise(usual, others):
    return (others - usual.mean(axis=0)) / usual.var(axis=0)
