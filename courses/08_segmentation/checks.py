"""Checks of this module: each gets the answer alone and makes its own small data."""

import numpy as np

from course_kit.checking import Wrong, near, need_array, need_function, need_number


def dice(answer):
    """Twice the shared area by the sum of both, 1 for two empty masks."""
    one, other = np.zeros((6, 6), int), np.zeros((6, 6), int)
    one[1:4, 1:4], other[2:5, 2:5] = 1, 1
    found = need_number(need_function(answer, "dice", one, other), "dice(...)")
    if near(found, 4 / 18):
        raise Wrong(
            en="Two equal masks get 0.5 from you, and they should get 1: count the shared area twice.",
            zh_CN="两个相同的掩膜你给了 0.5，应该是 1：共有面积要算两次。",
        )
    if near(found, 4 / 14):
        raise Wrong(
            en="That is the shared area by what either has (IoU). Dice divides by the sum of both.",
            zh_CN="那是交并比（IoU）：共有面积除以两者合起来的面积。Dice 除以两者面积之和。",
        )
    if near(found, 24 / 36) or near(found, 26 / 36):
        raise Wrong(
            en="You count the pixels on which both agree, the background too. Count only those inside.",
            zh_CN="你把一致的像素都数了，连背景也算了。只数在里面的。",
        )
    if not near(found, 8 / 18):
        raise Wrong(
            en=f"Two masks of 9 pixels share 4: Dice is 8/18 = 0.444. Yours says {found:.3f}.",
            zh_CN=f"两个 9 像素的掩膜共有 4 个像素：Dice 是 8/18 = 0.444。你的是 {found:.3f}。",
        )
    empty = np.zeros((6, 6), int)
    try:
        with np.errstate(all="ignore"):
            nothing = float(answer(empty, empty))
    except (ZeroDivisionError, TypeError, ValueError):
        nothing = float("nan")
    if not near(nothing, 1):
        raise Wrong(
            en=f"Two empty masks agree fully, that is 1. Yours says {nothing:g}.",
            zh_CN=f"两个空掩膜完全一致，应为 1。你的是 {nothing:g}。",
        )


def area(answer):
    """Pixels times the size of one."""
    mask = np.zeros((5, 5), int)
    mask[1:3, 1:4] = 1
    found = need_number(need_function(answer, "area", mask, (0.5, 0.2)), "area(...)")
    if near(found, 6):
        raise Wrong(
            en="That is the number of pixels. Each is only a part of a square millimetre.",
            zh_CN="那是像素的个数。每个像素只是一平方毫米的一部分。",
        )
    if near(found, 6 * 0.5 * 0.5) or near(found, 6 * 0.2 * 0.2):
        raise Wrong(
            en="You took one side twice. A pixel may be higher than it is wide.",
            zh_CN="你把同一条边用了两次。像素的高可以大于宽。",
        )
    if not near(found, 0.6):
        raise Wrong(
            en=f"Six pixels of 0.5 mm by 0.2 mm are 0.6 mm². Yours says {found:.3g}.",
            zh_CN=f"六个 0.5 mm × 0.2 mm 的像素是 0.6 mm²。你的是 {found:.3g}。",
        )


def largest(answer):
    """The largest connected spot alone; nothing stays nothing."""
    mask = np.zeros((8, 8), bool)
    mask[0, 0], mask[2:5, 2:5], mask[6:8, 6] = True, True, True
    wanted = np.zeros((8, 8), bool)
    wanted[2:5, 2:5] = True
    found = need_array(need_function(answer, "largest", mask), "largest(...)", (8, 8))
    if near(found, mask):
        raise Wrong(
            en="All three spots are still there. Keep only the one with the most pixels.",
            zh_CN="三块都还在。只保留像素最多的那一块。",
        )
    if found.dtype != bool and found.max() > 1:
        raise Wrong(
            en="That is a table of numbers, not a mask. Compare it with the number of the spot: ==.",
            zh_CN="那是一张编号表，不是掩膜。请用 == 与那块的编号比较。",
        )
    if not near(found, wanted):
        raise Wrong(
            en=f"It keeps {int(found.sum())} pixels; the largest spot has 9.",
            zh_CN=f"它保留了 {int(found.sum())} 个像素；最大的一块有 9 个。",
        )


def flip(answer):
    """Both mirrored left to right, in the order image, mask."""
    import torch

    x = torch.arange(12.0).reshape(1, 1, 3, 4)
    y = (x > 5).float()
    both = need_function(answer, "flip", x, y)
    if not isinstance(both, tuple | list) or len(both) != 2:
        raise Wrong(
            en="Two things are wanted, image and mask: return one, a comma, the other.",
            zh_CN="要返回两样东西：图像和掩膜。写法是：一个，逗号，另一个。",
        )
    first = need_array(both[0], "the image", (1, 1, 3, 4))
    second = need_array(both[1], "the mask", (1, 1, 3, 4))
    if near(first, x.flip(-1).numpy()) and near(second, y.numpy()):
        raise Wrong(
            en="The image is turned and the mask is not: now the mask lies about the image.",
            zh_CN="图像翻转了，掩膜没有：现在掩膜在说谎。",
        )
    if near(first, x.flip(-2).numpy()):
        raise Wrong(
            en="It stands on its head. Left and right are the last axis: -1.",
            zh_CN="它上下颠倒了。左右是最后一个轴：-1。",
        )
    if near(first, y.flip(-1).numpy()):
        raise Wrong(en="Image first, then the mask.", zh_CN="先图像，后掩膜。")
    if not (near(first, x.flip(-1).numpy()) and near(second, y.flip(-1).numpy())):
        raise Wrong(
            en="Not mirrored left to right: the first column must become the last.",
            zh_CN="没有左右翻转：第一列应变成最后一列。",
        )
