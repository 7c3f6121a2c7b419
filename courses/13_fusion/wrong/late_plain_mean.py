# says: makes the whole board silent
def late(risks):
    return risks.mean(axis=1)
