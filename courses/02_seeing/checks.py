"""Checks of this module: each gets the answer alone and makes its own small data."""

import numpy as np

from course_kit.checking import Wrong, near, need_array, need_function, need_number


def ends(answer):
    """The dark end, then the bright end."""
    found = need_array(need_function(answer, "ends", 50, 400), "ends(...)", (2,))
    if near(found, [250, -150]):
        raise Wrong(
            en="The ends are exchanged: first the dark one, then the bright one.",
            zh_CN="两端弄反了：先写暗端，再写亮端。",
        )
    if near(found, [-350, 450]):
        raise Wrong(
            en="This window is twice as wide: from the level to an end it is half of the width.",
            zh_CN="这个窗宽了一倍：从窗位到一端只有宽度的一半。",
        )
    if near(found, [50, 450]):
        raise Wrong(
            en="The level is the middle of the window, not its dark end.",
            zh_CN="窗位是窗的中点，不是暗端。",
        )
    if not near(found, [-150, 250]):
        raise Wrong(
            en=f"Level 50 and width 400 reach from -150 to 250; yours from {found[0]:g} to {found[1]:g}.",
            zh_CN=f"窗位 50、窗宽 400 是从 -150 到 250；你的是从 {found[0]:g} 到 {found[1]:g}。",
        )


def coronal(answer):
    """All slices, head first, of one row."""
    volume = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    plane = need_function(answer, "coronal", volume, 1)
    shape = np.shape(plane)
    if shape == (3, 4):
        raise Wrong(
            en="That is an axial slice: the row stands in the middle of the three, after the slices.",
            zh_CN="这是一个横断面：三项中间的那项才是行，在层之后。",
        )
    if shape == (2, 3):
        raise Wrong(
            en="That is a sagittal plane: you took one column. Take one row.",
            zh_CN="这是矢状面：你取的是一列。请取一行。",
        )
    plane = need_array(plane, "coronal(...)", (2, 4))
    if near(plane, volume[:, 1, :]):
        raise Wrong(
            en="The right plane, but the patient stands on their head. Take the slices backwards: ::-1.",
            zh_CN="平面对了，但病人头朝下。请把层倒过来：::-1。",
        )
    if not near(plane, volume[::-1, 1, :]):
        raise Wrong(
            en="The shape is right, but it is another row, or mirrored. Take row `row`, all columns.",
            zh_CN="形状对了，但行不对，或左右翻了。请取第 `row` 行、全部列。",
        )


def find(answer):
    """Back through an affine with unequal spacing and a turn."""
    affine = np.array([[0, 2.0, 0, 10], [1, 0, 0, 20], [0, 0, 5, -30], [0, 0, 0, 1]])
    place = np.array([7.0, 3.0, 4.0])
    point = (affine @ [*place, 1])[:3]
    found = need_function(answer, "find", point, affine)
    if np.shape(found) == (4,):
        raise Wrong(
            en="There are four numbers. The last one only carried the shift: keep the first three.",
            zh_CN="有四个数。最后一个只是用来带位移的：保留前三个。",
        )
    if np.shape(found) == (4, 4):
        raise Wrong(
            en="That is a whole table: `*` multiplies number by number. The sign for tables is `@`.",
            zh_CN="这是一整张表：`*` 是逐个相乘。表的乘号是 `@`。",
        )
    found = need_array(found, "find(...)", (3,))
    if near(found, (affine @ [*point, 1])[:3]):
        raise Wrong(
            en="It goes forward once more. The way back is `back`, the inverse.",
            zh_CN="它又往前走了一次。回去的路是逆矩阵 `back`。",
        )
    if near(found, (np.array([*point, 1]) @ np.linalg.inv(affine))[:3]):
        raise Wrong(
            en="The order matters: the table at the left of `@`, the point at its right.",
            zh_CN="次序有讲究：表在 `@` 的左边，点在右边。",
        )
    if not near(found, place):
        raise Wrong(
            en=f"The point of column 7, row 3, slice 4 came out at {found}.",
            zh_CN=f"第 7 列、第 3 行、第 4 层的点，算出来却是 {found}。",
        )


def length(answer):
    """As many mm, other steps, rounded to the nearest whole number."""
    found = need_number(need_function(answer, "new_count", 80, 3.0, 1.5), "new_count(...)")
    if near(found, 40):
        raise Wrong(
            en="Finer steps must give more pixels, and yours gives fewer: divide by `wanted`.",
            zh_CN="步子变小，像素应当变多，你的却变少了：请除以 `wanted`。",
        )
    if not near(found, 160):
        raise Wrong(
            en=f"80 pixels of 3 mm are 240 mm: 160 pixels of 1.5 mm. Yours says {found:g}.",
            zh_CN=f"80 个 3 毫米的像素是 240 毫米，即 160 个 1.5 毫米的像素。你的是 {found:g}。",
        )
    odd = need_number(answer(100, 1.4, 1.5), "new_count(...)")
    if odd != int(odd):
        raise Wrong(
            en=f"Nobody can have {odd:.2f} pixels: round to a whole number.",
            zh_CN=f"像素不可能有 {odd:.2f} 个：请舍入成整数。",
        )
    if odd != 93 or need_number(answer(100, 1.4, 1.45), "new_count(...)") != 97:
        raise Wrong(
            en="140 mm in steps of 1.45 mm are 96.55 pixels: the nearest whole number is 97.",
            zh_CN="140 毫米、每步 1.45 毫米是 96.55 个像素：最近的整数是 97。",
        )


def alias(answer):
    """Coarse grids, and one that is fine enough."""
    found = need_number(need_function(answer, "stripes_per_mm", 3.0, 4.0), "stripes_per_mm(...)")
    if near(found, 1 / 3):
        raise Wrong(
            en="That is what is there. The grid shows what is left after `nearest` is taken away.",
            zh_CN="这是真正存在的。网格显示的是减去 `nearest` 之后剩下的。",
        )
    if found < 0 or need_number(answer(4.0, 3.0), "stripes_per_mm(...)") < 0:
        raise Wrong(
            en="A number of stripes cannot be negative: take the sign off with abs(...).",
            zh_CN="条纹数不会是负的：用 abs(...) 去掉符号。",
        )
    if near(found, 12):
        raise Wrong(
            en="These are mm from stripe to stripe. Stripes per mm are wanted: do not turn it over.",
            zh_CN="这是条纹间的毫米数。要的是每毫米的条纹数：不要取倒数。",
        )
    for period, step in ((3.0, 4.0), (4.0, 3.0), (10.0, 1.0), (1.0, 2.6)):
        wanted = abs(1 / period - round(step / period) / step)
        found = need_number(answer(period, step), "stripes_per_mm(...)")
        if not near(found, wanted):
            raise Wrong(
                en=f"Stripes every {period:g} mm on a grid of {step:g} mm: {wanted:.4f} per mm are "
                f"shown, yours says {found:.4f}.",
                zh_CN=f"条纹间隔 {period:g} 毫米、网格 {step:g} 毫米：显示为每毫米 {wanted:.4f} 条，"
                f"你的是 {found:.4f}。",
            )
