# says: below the threshold
import numpy as np


def point(scores, hits, findings, images, threshold):
    hits = np.asarray(hits).astype(bool)
    return (~hits).sum() / images, hits.sum() / findings
