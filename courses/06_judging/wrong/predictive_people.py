# says: among all people
def predictive(sensitivity, specificity, prevalence):
    return sensitivity * prevalence
