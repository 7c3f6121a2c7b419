"""Checks of this module: each gets the answer alone and makes its own small data."""

import numpy as np

from course_kit.checking import Wrong, near, need_function, need_number


def iou(answer):
    """Shared area by what either has."""
    one, other = (0, 0, 4, 4), (2, 2, 6, 6)
    found = need_number(need_function(answer, "iou", one, other), "iou(...)")
    if near(found, 4 / 32):
        raise Wrong(
            en="The shared part is counted twice below the line: take it away once.",
            zh_CN="分母里共有部分被算了两次：请减去一次。",
        )
    if near(found, 8 / 32):
        raise Wrong(
            en="That is Dice, twice the shared part by both areas. IoU divides by what either has.",
            zh_CN="那是 Dice：共有部分的两倍除以两者面积之和。IoU 除以合起来的面积。",
        )
    if near(found, 4):
        raise Wrong(
            en="That is the shared area itself. Divide it by what either has.",
            zh_CN="那是共有面积本身。请除以合起来的面积。",
        )
    if not near(found, 4 / 28):
        raise Wrong(
            en=f"Two boxes of 16 share 4: IoU is 4/28 = 0.143. Yours says {found:.3f}.",
            zh_CN=f"两个面积 16 的框共有 4：IoU 是 4/28 = 0.143。你的是 {found:.3f}。",
        )
    apart = need_number(answer((0, 0, 1, 1), (5, 5, 6, 6)), "iou(...)")
    if not near(apart, 0):
        raise Wrong(
            en=f"Two boxes that are apart must have 0; yours says {apart:.3f}.",
            zh_CN=f"两个不相交的框应为 0；你的是 {apart:.3f}。",
        )


def thin(answer):
    """The surest of each group, in the order of the scores."""
    boxes = np.array(
        [(0, 0, 10, 10), (1, 1, 11, 11), (40, 40, 50, 50), (2, 2, 12, 12), (8, 8, 18, 18)]
    )
    scores = np.array([0.6, 0.9, 0.8, 0.5, 0.4])
    kept = list(need_function(answer, "thin", boxes, scores, 0.3))
    if len(kept) == 5:
        raise Wrong(
            en="All boxes are still there. A box goes if it overlaps a kept one by more than `limit`.",
            zh_CN="所有框都还在。与已保留的框重叠超过 `limit` 的框应去掉。",
        )
    if len(kept) == 1:
        raise Wrong(
            en="Only one box is left, and there are things in other places. Which boxes do you compare with?",
            zh_CN="只剩一个框了，可别处还有东西。你在与哪些框比较？",
        )
    if kept[:1] == [1] and 4 not in kept:
        raise Wrong(
            en="Box 4 hardly overlaps what was kept, and it is gone. Compare with `kept` only.",
            zh_CN="第 4 个框与已保留的几乎不重叠，却没了。只与 `kept` 比较。",
        )
    if kept != [1, 2, 4]:
        raise Wrong(
            en=f"The boxes 1, 2 and 4 should stay, the surest first. Yours keeps {kept}.",
            zh_CN=f"应保留第 1、2、4 个框，最确定的在前。你保留了 {kept}。",
        )


def point(answer):
    """False marks an image, share of findings."""
    scores, hits = [0.9, 0.8, 0.7, 0.6, 0.5, 0.2], [1, 0, 1, 0, 0, 1]
    both = need_function(answer, "point", scores, hits, 5, 4, 0.5)
    if not isinstance(both, tuple | list) or len(both) != 2:
        raise Wrong(
            en="Two numbers are wanted, with a comma between: false marks an image, share of findings.",
            zh_CN="要两个数，用逗号隔开：每幅图像的误标数，被标出病灶的比例。",
        )
    wrong, found = need_number(both[0], "the first"), need_number(both[1], "the second")
    if near([wrong, found], [0.4, 0.75]):
        raise Wrong(
            en="The two are in the wrong order, false marks an image come first.",
            zh_CN="两个数的顺序反了，每幅图像的误标数在前。",
        )
    if near([wrong, found], [0.75, 2 / 3]):
        raise Wrong(
            en="You divide by the findings that some mark hits. Divide by all findings, also those that nobody marked.",
            zh_CN="你除以了被标记命中的病灶数。应除以全部病灶，包括没人标出的。",
        )
    if near([wrong, found], [0.75, 0.6]):
        raise Wrong(
            en="A mark below the threshold was counted. Use `counted`.",
            zh_CN="低于阈值的标记也被算进去了。请用 `counted`。",
        )
    if not near([wrong, found], [0.75, 0.4]):
        raise Wrong(
            en=f"Three false marks on 4 images, 2 of 5 findings: 0.75 and 0.4. Yours: {wrong:.3g}, {found:.3g}.",
            zh_CN=f"4 幅图像上 3 个误标，5 个病灶标出 2 个：0.75 和 0.4。你的是 {wrong:.3g}、{found:.3g}。",
        )


def price(answer):
    """False marks on the pictures without a finding."""
    found = need_number(need_function(answer, "price", 1000, 0.02, 0.5), "price(...)")
    if near(found, 500):
        raise Wrong(
            en="That counts all pictures. Leave out those with a finding.",
            zh_CN="那算上了所有图像。请去掉有病灶的。",
        )
    if near(found, 10):
        raise Wrong(
            en="That counts the pictures with a finding. It is the others that are many.",
            zh_CN="那算的是有病灶的图像。多的是其余那些。",
        )
    if not near(found, 490):
        raise Wrong(
            en=f"980 pictures with half a false mark each give 490. Yours says {found:.4g}.",
            zh_CN=f"980 幅图像、每幅半个误标，共 490 个。你的是 {found:.4g}。",
        )
