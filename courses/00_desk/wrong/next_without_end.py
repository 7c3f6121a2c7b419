# says: more than sixty minutes may not
def next_in_line(waiting):
    return min(waiting, key=lambda one: one["entered"] + 10 * one["hours_used"])["name"]
