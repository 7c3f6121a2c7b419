# says: take the sign off
def stripes_per_mm(period, step):
    return 1 / period - round(step / period) / step
