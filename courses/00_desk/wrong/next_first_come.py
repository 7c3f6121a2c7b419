# says: she had a card for nine hours
def next_in_line(waiting):
    return min(waiting, key=lambda person: person["entered"])["name"]
