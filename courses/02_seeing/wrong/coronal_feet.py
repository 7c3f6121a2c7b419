# says: stands on their head
def coronal(volume, row):
    return volume[:, row, :]
