# says: That is a sagittal plane
def coronal(volume, row):
    return volume[::-1, :, row]
