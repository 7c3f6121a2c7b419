# says: the whole slope at once


def step(knob, slope, rate):
    return knob - slope
