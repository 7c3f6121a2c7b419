# says: 1 - specificity
def predictive(sensitivity, specificity, prevalence):
    right = sensitivity * prevalence
    return right / (right + specificity * (1 - prevalence))
