# says: do not turn it over
def stripes_per_mm(period, step):
    return 1 / abs(1 / period - round(step / period) / step)
