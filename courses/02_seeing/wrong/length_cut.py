# says: the nearest whole number is 97
def new_count(count, spacing, wanted):
    return int(count * spacing / wanted)
