# says: the larger of the two
def rank(entered, hours_used):
    return entered + max(60, 10 * hours_used)
