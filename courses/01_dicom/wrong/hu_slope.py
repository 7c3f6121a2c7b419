# says: The slope is forgotten
def to_hu(stored, slope, intercept):
    return stored + intercept
