# says: as if each took one byte
def megabytes(rows, columns, slices, bytes_each):
    return rows * columns * slices / 2**20
