# says: keep np.clip
def window(grey, level, width):
    return (grey - (level - width / 2)) / width
