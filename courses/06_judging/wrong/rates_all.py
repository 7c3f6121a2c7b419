# says: You divide by all films
def rates(truth, alarm):
    return alarm[truth == 1].mean(), (~alarm & (truth == 0)).mean()
