# says: Does it use all four numbers
def megabytes(rows, columns, slices, bytes_each):
    return 300.0
