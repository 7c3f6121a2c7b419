# says: years are still years
def standardise(usual, others):
    return others - usual.mean(axis=0)
