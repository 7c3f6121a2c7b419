# says: That goes uphill


def step(knob, slope, rate):
    return knob + rate * slope
