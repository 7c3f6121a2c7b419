# says: counts as one minute
def rank(entered, hours_used):
    return entered + min(60, hours_used)
