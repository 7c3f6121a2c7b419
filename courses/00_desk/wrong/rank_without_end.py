# says: waits for ever
def rank(entered, hours_used):
    return entered + 10 * hours_used
