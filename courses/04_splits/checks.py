"""Checks of this module: each gets the answer alone and makes its own small data."""

import numpy as np

from course_kit.checking import Wrong, near, need_array, need_function, need_number


def majority(answer):
    """How often the more common answer of training is right in the test."""
    seldom = np.array([0, 0, 0, 1])
    test = np.array([0, 1, 1, 1, 1])
    often = need_number(need_function(answer, "majority", seldom, test), "majority(...)")
    if near(often, 0.8):
        raise Wrong(
            en="That is what is common in the test. Whoever knows that has looked: count in training.",
            zh_CN="那是测试里常见的。知道这一点就等于偷看了：请在训练里数。",
        )
    if not near(often, 0.2):
        raise Wrong(
            en=f"In training 0 is more common, and one of five test slices is 0: 0.2. Yours: {often:.3g}.",
            zh_CN=f"训练里 0 更常见，五张测试切片里有一张是 0：应为 0.2。你的是 {often:.3g}。",
        )
    common = need_number(answer(np.array([1, 1, 0]), np.array([1, 1, 0, 0])), "majority(...)")
    other = need_number(answer(np.array([1, 1, 1, 0]), np.array([1, 1, 1, 0])), "majority(...)")
    if not (near(common, 0.5) and near(other, 0.75)):
        raise Wrong(
            en="When 1 is more common in training, it must be said for each test slice.",
            zh_CN="训练里 1 更常见时，就要对每张测试切片都说 1。",
        )


def leaked(answer):
    """The share of test slices whose patient is in training."""
    train, test = np.array(["a", "a", "a", "b", "c"]), np.array(["a", "b", "d", "d"])
    share = need_number(need_function(answer, "leaked", train, test), "leaked(...)")
    if near(share, 0.8):
        raise Wrong(
            en="You asked the training slices whether they are in the test. It is the other way round.",
            zh_CN="你问的是训练切片在不在测试里。应该反过来问。",
        )
    if share > 1:
        raise Wrong(
            en=f"{share:g} is a count. A share lies between 0 and 1: divide by the test slices.",
            zh_CN=f"{share:g} 是个数。比例在 0 到 1 之间：请除以测试切片数。",
        )
    if near(share, 2 / 3):
        raise Wrong(
            en="Two of three patients were met, but two of four slices: count slices.",
            zh_CN="三个病人里见过两个，但四张切片里是两张：请数切片。",
        )
    if not near(share, 0.5):
        raise Wrong(
            en=f"Two of the four test slices are of patients in training: 0.5. Yours: {share:.3g}.",
            zh_CN=f"四张测试切片里有两张的病人在训练中：0.5。你的是 {share:.3g}。",
        )


def deal(answer):
    """True for all slices of some patients."""
    patients = np.repeat([f"p{number}" for number in range(9)], 4)
    given = need_function(answer, "deal", patients, 1 / 3, 1)
    test = need_array(given, "deal(...)", (36,)).astype(bool)
    if test.all() or not test.any():
        raise Wrong(
            en="All slices are in one pile. True belongs to the chosen patients alone.",
            zh_CN="所有切片都在同一堆。只有被选中的病人才是 True。",
        )
    both = set(patients[test]) & set(patients[~test])
    if both:
        raise Wrong(
            en=f"{len(both)} of 9 patients are in both piles: you dealt slices, not patients.",
            zh_CN=f"9 个病人里有 {len(both)} 个同时在两堆：你分的是切片，不是病人。",
        )
    if test.sum() != 12:
        raise Wrong(
            en=f"A third of 9 patients with 4 slices each is 12 slices; yours are {test.sum()}: "
            "True means test.",
            zh_CN=f"9 个病人每人 4 张，三分之一是 12 张；你的有 {test.sum()} 张：True 表示测试。",
        )


def choose(answer):
    """The choice must not depend on the test patients."""
    y, train = np.array([0, 1] * 4), np.array([True] * 4 + [False] * 4)
    x = np.zeros((8, 5))
    for column, learnt, tested in ((1, 0, 9), (2, -10, 12), (3, 11, -11)):
        x[:, column] = y * np.where(train, learnt, tested)
    best = need_array(need_function(answer, "choose", x, y, train, 1), "choose(...)", (1,))
    if best[0] == 1:
        raise Wrong(
            en="You chose a measurement that differs in the test patients alone. You peeked.",
            zh_CN="你选中了只在测试病人里有差别的测量值。你偷看了。",
        )
    if best[0] == 2:
        raise Wrong(
            en="You looked at the test patients instead of those of training: x[train], not x[~train].",
            zh_CN="你看的是测试病人，而不是训练病人：应为 x[train]，而不是 x[~train]。",
        )
    if best[0] != 3:
        raise Wrong(
            en=f"In training measurement 3 differs most, and yours is {best[0]:g}.",
            zh_CN=f"训练里差别最大的是第 3 个测量值，你选的是第 {best[0]:g} 个。",
        )
