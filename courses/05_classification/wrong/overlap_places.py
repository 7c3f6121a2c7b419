# says: It finds nobody
def overlap(one, other):
    return sum(a == b for a, b in zip(sorted(one), reversed(sorted(other))))
