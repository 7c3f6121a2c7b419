"""Checks of this module: each gets the answer alone and makes its own small data."""

import numpy as np

from course_kit.checking import Wrong, near, need_array, need_function, need_number


def volume(answer):
    """Voxels times the volume of one, in millilitres."""
    mask = np.zeros((4, 10, 10), dtype=bool)
    mask[1:3, 2:7, 2:7] = True
    said = need_number(need_function(answer, "volume", mask, (6.0, 1.5, 2.0)), "volume(...)")
    if near(said, 900):
        raise Wrong(
            en="That is 900 cubic millimetres. A millilitre has a thousand of them: divide by 1000.",
            zh_CN="这是 900 立方毫米。一毫升有一千立方毫米：请除以 1000。",
        )
    if near(said, 50) or near(said, 0.05):
        raise Wrong(
            en="It counts voxels, whatever their size. Multiply by the volume of one voxel.",
            zh_CN="这只是数了体素，没管它们的大小。请乘以一个体素的体积。",
        )
    if near(said, 50 * 9.5 / 1000) or near(said, 50 * 9.5):
        raise Wrong(
            en="The three distances are added. A box's volume is their product: np.prod(spacing).",
            zh_CN="三个间距被加了起来。盒子的体积是它们的乘积：np.prod(spacing)。",
        )
    if not near(said, 0.9):
        raise Wrong(
            en=f"50 voxels of 6 × 1.5 × 2 mm are 0.9 ml; yours says {said:.3g}.",
            zh_CN=f"50 个 6 × 1.5 × 2 mm 的体素是 0.9 ml；你的是 {said:.3g}。",
        )


def largest(answer):
    """The largest island, and nothing else."""
    mask = np.zeros((3, 8, 8), dtype=bool)
    mask[0, 0, 0:2] = True  # a small island, which is numbered first
    mask[1, 3:6, 3:6] = True
    mask[2, 7, 7] = True
    result = need_function(answer, "largest", mask)
    kept = need_array(result, "largest(...)", mask.shape).astype(bool)
    if kept[~mask].any():
        raise Wrong(
            en="It also keeps voxels that were not marked at all. The number 0 is no island.",
            zh_CN="它还留下了根本没有标记的体素。编号 0 不是岛。",
        )
    if not kept.any():
        raise Wrong(
            en="Nothing is left. Compare `numbers` with the number of the largest island.",
            zh_CN="什么也没留下。请把 `numbers` 与最大岛的编号比较。",
        )
    if kept.sum() == mask.sum():
        raise Wrong(
            en="All islands are still there. Keep the one whose size is the largest.",
            zh_CN="所有的岛都还在。只留下最大的那一个。",
        )
    if not kept[1, 4, 4]:
        raise Wrong(
            en=f"It keeps an island of {kept.sum()} voxels, and there is one of 9. "
            "`sizes.argmax()` is the number of the largest.",
            zh_CN=f"它留下了一个 {kept.sum()} 个体素的岛，可是有一个 9 个体素的。"
            "`sizes.argmax()` 就是最大岛的编号。",
        )
    if kept.sum() != 9:
        raise Wrong(
            en=f"It keeps {kept.sum()} voxels; the largest island alone has 9.",
            zh_CN=f"它留下了 {kept.sum()} 个体素；最大的岛只有 9 个。",
        )
    if np.asarray(answer(np.zeros((2, 4, 4), dtype=bool))).any():
        raise Wrong(
            en="An empty mask must stay empty.",
            zh_CN="空的掩模必须还是空的。",
        )


def starts(answer):
    """All is seen, the last window ends at the edge, and none is there twice."""
    said = _begins(need_function(answer, "starts", 20, 16, 12))
    if said == [0]:
        raise Wrong(
            en="Of 20 slices the last 4 are never seen: one more window must end at the edge.",
            zh_CN="20 层里最后 4 层从未被看到：还需要一个恰好到边缘的窗口。",
        )
    if max(said) + 16 > 20:
        raise Wrong(
            en=f"A window of 16 that begins at {max(said)} reaches {max(said) + 16}, beyond the edge "
            "at 20. The last one begins at length - window.",
            zh_CN=f"从 {max(said)} 开始、宽 16 的窗口到了 {max(said) + 16}，超出了边缘 20。"
            "最后一个从 length - window 开始。",
        )
    if said != [0, 4]:
        raise Wrong(
            en=f"For 20 slices, windows of 16 and steps of 12 they begin at 0 and 4, not at {said}.",
            zh_CN=f"20 层、窗口 16、步长 12 时，窗口从 0 和 4 开始，而不是 {said}。",
        )
    even = _begins(answer(32, 16, 16))
    if even != [0, 16]:
        raise Wrong(
            en=f"For 32 slices, windows of 16 and steps of 16 two windows are enough: [0, 16]. Yours "
            f"gives {even}. Add the last one only where it is needed.",
            zh_CN=f"32 层、窗口 16、步长 16 时两个窗口就够：[0, 16]。你的是 {even}。"
            "只在需要时才加最后一个。",
        )
    if _begins(answer(96, 64, 16)) != [0, 16, 32]:
        raise Wrong(
            en=f"For 96, 64 and 16 they begin at [0, 16, 32]; yours at {_begins(answer(96, 64, 16))}.",
            zh_CN=f"对 96、64、16，应为 [0, 16, 32]；你的是 {_begins(answer(96, 64, 16))}。",
        )


def gain(answer):
    """What a faster part makes of the whole."""
    said = need_number(need_function(answer, "gain", 0.5, 2.0), "gain(...)")
    if near(said, 0.75):
        raise Wrong(
            en="0.75 is how long it takes now. How many times as fast that is, is 1 divided by it.",
            zh_CN="0.75 是现在所需的时间。快了多少倍，是 1 除以它。",
        )
    if near(said, 2.0):
        raise Wrong(
            en="If half of the work becomes twice as fast, the other half does not: less than 2.",
            zh_CN="一半的活快了一倍，另一半并没有：总的应小于 2。",
        )
    if near(said, 4.0):
        raise Wrong(
            en="The seconds that stay as they were, 1 - share, are missing.",
            zh_CN="少了没有变快的那部分时间：1 - share。",
        )
    if not near(said, 4 / 3, 1e-3):
        raise Wrong(
            en="Half of the work twice as fast: 0.5 + 0.25 of the time is left, so 1.33 times as "
            f"fast. Yours says {said:.3g}.",
            zh_CN=f"一半的活快一倍：剩下 0.5 + 0.25 的时间，即快 1.33 倍。你的是 {said:.3g}。",
        )
    limit = need_number(answer(0.8, 1e9), "gain(...)")
    if not near(limit, 5, 1e-3):
        raise Wrong(
            en=f"Where 80 of 100 seconds cost nothing any more, it is 5 times as fast, not {limit:.3g}.",
            zh_CN=f"100 秒里有 80 秒不再花时间，应快 5 倍，而不是 {limit:.3g}。",
        )


def _begins(result):
    if not isinstance(result, list | tuple | np.ndarray):
        raise Wrong(
            en=f"It should give a list of places, and gives {type(result).__name__}.",
            zh_CN=f"它应给出一个位置列表，现在给出的是 {type(result).__name__}。",
        )
    return sorted(int(begin) for begin in need_array(list(result), "starts(...)").ravel())
