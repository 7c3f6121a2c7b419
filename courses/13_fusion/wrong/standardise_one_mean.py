# says: mixes years with brightness
def standardise(usual, others):
    return (others - usual.mean()) / usual.std()
