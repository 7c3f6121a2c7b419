# says: Add the last one only where it is needed
def starts(length, window, step):
    return [*range(0, length - window + 1, step), length - window]
