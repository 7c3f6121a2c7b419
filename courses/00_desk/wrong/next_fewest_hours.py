# says: The minute of entering counts
def next_in_line(waiting):
    return min(waiting, key=lambda person: person["hours_used"])["name"]
