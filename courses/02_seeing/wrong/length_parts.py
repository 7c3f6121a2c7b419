# says: round to a whole number
def new_count(count, spacing, wanted):
    return count * spacing / wanted
