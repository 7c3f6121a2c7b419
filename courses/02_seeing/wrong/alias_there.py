# says: That is what is there
def stripes_per_mm(period, step):
    return 1 / period
