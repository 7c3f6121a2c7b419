# says: That is an axial slice
def coronal(volume, row):
    return volume[row]
