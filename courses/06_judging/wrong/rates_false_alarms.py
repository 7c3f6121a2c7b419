# says: is the share of false alarms
def rates(truth, alarm):
    return alarm[truth == 1].mean(), alarm[truth == 0].mean()
