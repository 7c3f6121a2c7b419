# says: now belongs above
def honest(probability, was, now):
    odds = probability / (1 - probability) * (was / (1 - was)) / (now / (1 - now))
    return odds / (1 + odds)
