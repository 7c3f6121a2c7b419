# says: Times first, then plus
def to_hu(stored, slope, intercept):
    return (stored + intercept) * slope
