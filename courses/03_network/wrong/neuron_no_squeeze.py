# says: the squeeze is missing
import numpy as np


def neuron(x, weights, shift):
    return x @ weights + shift
