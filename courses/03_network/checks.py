"""Checks of this module: each gets the answer alone and makes its own small data."""

import numpy as np

from course_kit.checking import Wrong, near, need_array, need_function, need_number


def cut(answer):
    """True from the threshold on."""
    values = np.array([0.5, 1.0, 2.0])
    found = need_array(need_function(answer, "cut", values, 1.0), "cut(...)", (3,))
    if near(found, [1, 1, 0]) or near(found, [1, 0, 0]):
        raise Wrong(
            en="It is true for what lies below. Tumour is bright in T2: true from the threshold on.",
            zh_CN="它对阈值以下的数为真。肿瘤在 T2 上亮：应从阈值起为真。",
        )
    if near(found, [0, 0, 1]):
        raise Wrong(
            en="A value that is equal to the threshold reaches it: use >= instead of >.",
            zh_CN="等于阈值的数也算达到：请用 >= 而不是 >。",
        )
    if not near(found, [0, 1, 1]):
        raise Wrong(
            en="For 0.5, 1 and 2 and a threshold of 1 it must be false, true, true.",
            zh_CN="对 0.5、1、2 和阈值 1，应得到假、真、真。",
        )


def neuron(answer):
    """Weighted sum, shift, squeeze."""
    x = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    weights = np.array([1.0, -1.0])
    found = need_array(need_function(answer, "neuron", x, weights, 0.0), "neuron(...)", (3,))
    if found.min() < 0 or found.max() > 1:
        raise Wrong(
            en=f"It says {found.max():.3g} where it may say 0 to 1: the squeeze is missing.",
            zh_CN=f"它给出 {found.max():.3g}，而只能在 0 到 1 之间：少了压缩这一步。",
        )
    right = 1 / (1 + np.exp(-(x @ weights)))
    if near(found, 1 - right):
        raise Wrong(
            en="It is sure of the opposite: there is a minus before `total` inside of np.exp.",
            zh_CN="它确信的正好相反：np.exp 里的 `total` 前面有一个负号。",
        )
    if not near(found, right):
        raise Wrong(
            en=f"For a dot in the middle it must say 0.5, and it says {found[0]:.3g}. "
            "Multiply by the weights, add up, squeeze.",
            zh_CN=f"对正中的点应得 0.5，它给出 {found[0]:.3g}。先乘权重，再相加，再压缩。",
        )
    if not near(answer(x, weights, 1.0), 1 / (1 + np.exp(-(x @ weights + 1)))):
        raise Wrong(
            en="The shift changes nothing, or not as it should: add it before the squeeze.",
            zh_CN="偏移没有起作用，或作用不对：请在压缩之前加上它。",
        )


def loss(answer):
    """Mean of minus the logarithm of how sure one was of what is true."""
    truth, half = np.array([1, 0, 0]), np.array([0.5, 0.5, 0.5])
    found = need_number(need_function(answer, "loss", truth, half), "loss(...)")
    if found < 0:
        raise Wrong(
            en="A loss is never below zero: the minus is missing.",
            zh_CN="损失不会小于零：少了负号。",
        )
    if near(found, 3 * np.log(2)):
        raise Wrong(
            en="It adds all dots up. Take the mean, so that more dots are not more wrong.",
            zh_CN="它把所有点加了起来。请取平均，点多不等于更错。",
        )
    good = need_number(answer(truth, np.array([0.9, 0.1, 0.1])), "loss(...)")
    bad = need_number(answer(truth, np.array([0.9, 0.9, 0.9])), "loss(...)")
    if near(good, -np.mean(np.log([0.9, 0.1, 0.1]))):
        raise Wrong(
            en="A dot without tumour, and 0.1 said: that is right by 0.9. There it is 1 - said.",
            zh_CN="没有肿瘤的点说了 0.1：那是对了 0.9。这种点要用 1 - said。",
        )
    if not near(good, -np.log(0.9)) or not near(bad, -np.mean(np.log([0.9, 0.1, 0.1]))):
        raise Wrong(
            en=f"Sure of what is true by 0.9 for each dot, the loss is 0.105; yours is {good:.3g}.",
            zh_CN=f"每个点对真实情况都确信 0.9，损失应为 0.105；你的是 {good:.3g}。",
        )


def step(answer):
    """Against the slope, by the rate."""
    found = need_number(need_function(answer, "step", 2.0, 3.0, 0.1), "step(...)")
    if near(found, 2.3):
        raise Wrong(
            en="That goes uphill: the loss grows. Turn against the slope.",
            zh_CN="那是上坡：损失会变大。请逆着斜率拧。",
        )
    if near(found, -1.0):
        raise Wrong(
            en="That takes the whole slope at once. The rate says how little of it.",
            zh_CN="那样一步就走完了整个斜率。学习率说的是只走多少。",
        )
    if near(found, 1.9) or near(found, -0.3):
        raise Wrong(
            en="The rate and the slope belong together, multiplied, and the knob keeps its place.",
            zh_CN="学习率要和斜率相乘，再从旋钮现在的位置出发。",
        )
    if not near(found, 1.7):
        raise Wrong(
            en=f"From 2, with a slope of 3 and a rate of 0.1, the knob goes to 1.7; yours to {found:.3g}.",
            zh_CN=f"从 2 出发，斜率 3，学习率 0.1，旋钮应到 1.7；你的到了 {found:.3g}。",
        )
