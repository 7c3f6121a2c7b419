# says: counts once
def overlap(one, other):
    return sum(name in other for name in one)
