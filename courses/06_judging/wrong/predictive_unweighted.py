# says: not weighed by how many they are
def predictive(sensitivity, specificity, prevalence):
    right = sensitivity * prevalence
    return right / (right + 1 - specificity)
