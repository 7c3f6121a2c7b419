# says: Missing is not zero
def late(risks):
    return np.nansum(risks, axis=1) / risks.shape[1]
