# says: divided once too often
def megabytes(rows, columns, slices, bytes_each):
    return rows * columns * slices * bytes_each / 2**30
