# says: took a million bytes
def megabytes(rows, columns, slices, bytes_each):
    return rows * columns * slices * bytes_each / 10**6
