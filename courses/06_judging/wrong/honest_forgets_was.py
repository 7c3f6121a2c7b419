# says: There and back again
def honest(probability, was, now):
    odds = probability / (1 - probability) * now / (1 - now)
    return odds / (1 + odds)
