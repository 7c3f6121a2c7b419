# says: all findings
import numpy as np


def point(scores, hits, findings, images, threshold):
    counted, hits = np.asarray(scores) >= threshold, np.asarray(hits).astype(bool)
    return (counted & ~hits).sum() / images, (counted & hits).sum() / hits.sum()
