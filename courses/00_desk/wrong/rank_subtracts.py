# says: you subtract the minutes
def rank(entered, hours_used):
    return entered - min(60, 10 * hours_used)
