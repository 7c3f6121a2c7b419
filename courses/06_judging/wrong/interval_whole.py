# says: the whole heap
def interval(draws):
    return min(draws), max(draws)
