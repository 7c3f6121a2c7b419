# says: divide by `wanted`
def new_count(count, spacing, wanted):
    return round(count * wanted / spacing)
