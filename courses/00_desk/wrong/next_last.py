# says: has the last word
def next_in_line(waiting):
    for person in waiting:
        first = person["name"]
    return first
