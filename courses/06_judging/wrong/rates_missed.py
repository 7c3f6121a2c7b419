# says: the share of the missed
def rates(truth, alarm):
    return alarm[truth == 1].mean(), (~alarm)[truth == 1].mean()
