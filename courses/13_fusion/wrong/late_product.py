# says: one voice decides alone
def late(risks):
    return np.nanprod(risks, axis=1)
