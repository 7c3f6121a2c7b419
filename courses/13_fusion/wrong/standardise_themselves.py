# says: measured the others by themselves
def standardise(usual, others):
    return (others - others.mean(axis=0)) / others.std(axis=0)
