"""Checks of this module: each gets the answer alone and makes its own small data."""

import numpy as np

from course_kit.checking import Wrong, near, need_array, need_function, need_number


def window(answer):
    """0 at the dark end, 1 at the bright end, a straight line between, nothing beyond."""
    greys = np.array([-100.0, 0.0, 50.0, 100.0, 300.0])
    shown = need_array(need_function(answer, "window", greys, 50.0, 100.0), "window(...)", (5,))
    if shown.max() > 1 or shown.min() < 0:
        raise Wrong(
            en=f"Outside of the window it gives {shown.min():g} and {shown.max():g}. There it is "
            "plain black (0) or plain white (1): keep np.clip(..., 0, 1).",
            zh_CN=f"窗外得到 {shown.min():g} 和 {shown.max():g}。那里应是纯黑（0）或纯白（1）："
            "请保留 np.clip(..., 0, 1)。",
        )
    if near(shown[1], 0.5):
        raise Wrong(
            en="The dark end comes out grey. Begin at `darkest`, not at the level.",
            zh_CN="最暗端显示成了灰色。请从 `darkest` 算起，而不是从窗位。",
        )
    if near(shown, [0, 0, 1, 1, 1]) or near(shown, [0, 0, 0, 1, 1]):
        raise Wrong(
            en="There is black and white, and nothing between. Divide by `width`.",
            zh_CN="只有黑和白，中间什么也没有。请除以 `width`。",
        )
    if not near(shown, [0, 0, 0.5, 1, 1]):
        raise Wrong(
            en=f"The level itself should come out at 0.5, and it is {shown[2]:.3g}.",
            zh_CN=f"窗位本身应得到 0.5，现在是 {shown[2]:.3g}。",
        )


def overlap(answer):
    """Different patients who are in both lists."""
    one, other = ["ann", "ann", "bo", "cy"], ["cy", "ann", "ann", "ann", "di"]
    found = need_number(need_function(answer, "overlap", one, other), "overlap(...)")
    if found == 0:
        raise Wrong(
            en="It finds nobody, and two patients are in both lists.",
            zh_CN="它一个人也没找到，可是有两个病人同时在两个列表里。",
        )
    if found > 2:
        raise Wrong(
            en=f"It counts {found:g} where there are 2 patients: one with several films counts once.",
            zh_CN=f"它数出 {found:g}，其实只有 2 个病人：有多张片的人只算一次。",
        )
    if found != 2:
        raise Wrong(
            en=f"It finds {found:g} patients, and 2 are in both lists.",
            zh_CN=f"它找到 {found:g} 个病人，其实有 2 个同时在两个列表里。",
        )


def auc(answer):
    """The share of right pairs, a draw counting half."""
    truth = np.array([1, 1, 0, 0])
    drawn = need_number(need_function(answer, "auc", truth, np.zeros(4)), "auc(...)")
    if drawn == 0:
        raise Wrong(
            en="If all scores are equal, chance decides: the AUC is 0.5. Yours is 0, the draws are lost.",
            zh_CN="如果所有得分都相等，那就全凭运气：AUC 是 0.5。你的是 0，平局被丢掉了。",
        )
    if drawn == 1:
        raise Wrong(
            en="If all scores are equal, your AUC is 1: a draw counts half, not whole.",
            zh_CN="所有得分都相等时，你的 AUC 是 1：平局只算一半，不算全对。",
        )
    perfect = need_number(answer(truth, np.array([0.9, 0.8, 0.2, 0.1])), "auc(...)")
    if not near(perfect, 1):
        raise Wrong(
            en=f"A reader who gets every pair right must have 1; yours has {perfect:.3g}.",
            zh_CN=f"每对都判对的读片者应得 1；你的给了 {perfect:.3g}。",
        )
    mixed = need_number(answer(truth, np.array([0.9, 0.2, 0.2, 0.1])), "auc(...)")
    if not near(mixed, 0.875):
        raise Wrong(
            en=f"Of four pairs three are won and one is drawn: 0.875. Yours says {mixed:.3g}.",
            zh_CN=f"四对里赢三对、平一对：0.875。你的是 {mixed:.3g}。",
        )


def threshold(answer):
    """The lowest score that keeps false alarms at the share."""
    truth = np.array([0] * 10 + [1] * 4)
    score = np.array([*range(10), 3.5, 7.5, 8.5, 12.0])
    at = need_number(need_function(answer, "threshold", truth, score, 0.2), "threshold(...)")
    alarms = np.mean(score[truth == 0] > at)
    if alarms > 0.2:
        raise Wrong(
            en=f"At {at:g} there are {100 * alarms:.0f} of 100 false alarms, where 20 are allowed: "
            "it is too low.",
            zh_CN=f"在 {at:g} 处每 100 张有 {100 * alarms:.0f} 个误报，而只允许 20 个：太低了。",
        )
    if not np.isin(at, score):
        raise Wrong(
            en=f"{at:g} is none of the scores. Try them one after the other, from below.",
            zh_CN=f"{at:g} 不是任何一个得分。请从小到大逐个试。",
        )
    if at > 7:
        raise Wrong(
            en=f"{at:g} keeps the promise, but a lower threshold does, too, and finds more.",
            zh_CN=f"{at:g} 满足要求，但更低的阈值也满足，而且能找到更多。",
        )
