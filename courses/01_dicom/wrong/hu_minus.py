# says: brings its own minus
def to_hu(stored, slope, intercept):
    return stored * slope - intercept
