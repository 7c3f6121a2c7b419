# says: counts as much as the next
def information(counts):
    together = counts / counts.sum()
    alone = together.sum(axis=1, keepdims=True) * together.sum(axis=0, keepdims=True)
    filled = together > 0
    return float(np.sum(np.log(together[filled] / alone[filled])))
