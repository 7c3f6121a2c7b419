# says: belong together


def step(knob, slope, rate):
    return knob - rate
