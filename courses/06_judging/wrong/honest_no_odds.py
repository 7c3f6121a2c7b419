# says: It must be their odds
def honest(probability, was, now):
    odds = probability / (1 - probability) * now / was
    return odds / (1 + odds)
