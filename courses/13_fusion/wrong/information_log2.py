# says: You used log2
def information(counts):
    together = counts / counts.sum()
    alone = together.sum(axis=1, keepdims=True) * together.sum(axis=0, keepdims=True)
    filled = together > 0
    return float(np.sum(together[filled] * np.log2(together[filled] / alone[filled])))
