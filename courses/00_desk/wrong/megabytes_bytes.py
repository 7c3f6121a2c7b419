# says: These are bytes
def megabytes(rows, columns, slices, bytes_each):
    return rows * columns * slices * bytes_each
