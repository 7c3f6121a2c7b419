"""Checks of this module: each gets the answer alone and makes its own small data."""

import numpy as np

from course_kit.checking import Wrong, near, need_array, need_function

NAMES = {
    "A": "PixelSpacing",
    "B": "RescaleIntercept",
    "C": "Rows",
    "D": "ImageOrientationPatient",
    "E": "PhotometricInterpretation",
    "F": "SOPInstanceUID",
}
LOOK = {
    "A": ("the ruler: is a chest that small?", "标尺：胸廓有这么小吗？"),
    "B": ("how bright it is: air should be black.", "亮度：空气应当是黑的。"),
    "C": ("the stripes: how was the list folded?", "条纹：数列是怎么折的？"),
    "D": ("the heart: on which side is it?", "心脏：它在哪一侧？"),
    "E": ("air and bone: which of them is white?", "空气和骨头：哪个是白的？"),
    "F": (
        "the words at the lower right: what happened to the other slice?",
        "右下角的字：另一张去哪了？",
    ),
}


def fold(answer):
    """Rows from top to bottom, columns from left to right."""
    data = np.arange(6, dtype="<u2").tobytes()
    table = need_function(answer, "fold", data, 2, 3)
    shape = np.shape(table)
    if shape == (3, 2):
        raise Wrong(
            en="It has 3 rows and 2 columns where 2 rows and 3 columns are wanted: rows come first.",
            zh_CN="它有 3 行 2 列，而要的是 2 行 3 列：行在前。",
        )
    if shape == (6,):
        raise Wrong(
            en="It still is one long list. Fold it with reshape.",
            zh_CN="它仍是一长串。请用 reshape 折起来。",
        )
    table = need_array(table, "fold(...)", (2, 3))
    if not near(table, [[0, 1, 2], [3, 4, 5]]):
        raise Wrong(
            en="The shape is right, but the numbers stand in other places. Fill row after row.",
            zh_CN="形状对了，但数字的位置不对。请一行一行地填。",
        )


def hu(answer):
    """Slope first, then intercept."""
    stored = np.array([0, 24, 1024])
    found = need_array(need_function(answer, "to_hu", stored, 2.0, -1024.0), "to_hu(...)", (3,))
    if near(found, (stored - 1024) * 2.0):
        raise Wrong(
            en="The intercept was added before the slope was applied. Times first, then plus.",
            zh_CN="先加了截距再乘斜率。应先乘后加。",
        )
    if near(found, stored * 2.0 + 1024):
        raise Wrong(
            en="The intercept is taken away. It is added; it brings its own minus.",
            zh_CN="截距被减掉了。应该加上它，它自带负号。",
        )
    if near(found, stored - 1024.0):
        raise Wrong(
            en="The slope is forgotten: here it is 2, and each step counts double.",
            zh_CN="忘了斜率：这里它是 2，每一级算两份。",
        )
    if not near(found, stored * 2.0 - 1024):
        raise Wrong(
            en=f"Stored 1024, slope 2, intercept -1024 must give 1024 HU. Yours gives {found[2]:g}.",
            zh_CN=f"存储值 1024、斜率 2、截距 -1024 应得 1024 HU，你的得到 {found[2]:g}。",
        )


def back(answer):
    """There and back, every stored number of 12 bits, for awkward slopes."""
    stored = np.arange(4096)
    for slope, intercept in ((1.0, -1024.0), (0.1, -100.3), (0.00731, 3.7)):
        values = stored * slope + intercept
        found = need_array(
            need_function(answer, "to_stored", values, slope, intercept), "to_stored(...)", (4096,)
        )
        lost = int((found != stored).sum())
        if lost and near(found, np.trunc((values - intercept) / slope)):
            raise Wrong(
                en=f"{lost} of 4096 numbers come back one too small: they are cut off. Round first.",
                zh_CN=f"4096 个数里有 {lost} 个回来时小了一：它们被截断了。请先舍入。",
            )
        if np.issubdtype(found.dtype, np.floating):
            raise Wrong(
                en="These are still numbers with a decimal point. A file stores whole numbers: "
                "add .astype(int).",
                zh_CN="这些仍是带小数点的数。文件里存的是整数：请加上 .astype(int)。",
            )
        if lost:
            raise Wrong(
                en=f"With slope {slope:g}, {lost} of 4096 numbers do not come back.",
                zh_CN=f"斜率为 {slope:g} 时，4096 个数里有 {lost} 个回不来。",
            )


def place(answer):
    """Unequal spacing, and a plane that is not axial."""
    axial = ([10.0, 20.0, 30.0], [1, 0, 0, 0, 1, 0], [2.0, 0.5])
    found = need_array(need_function(answer, "place", 4, 1, *axial), "place(...)", (3,))
    if near(found, [18, 20.5, 30]):
        raise Wrong(
            en="The two steps are exchanged: Pixel Spacing says the step from row to row first.",
            zh_CN="两个步长弄反了：Pixel Spacing 先说的是行与行之间的步长。",
        )
    if near(found, [10.5, 28, 30]):
        raise Wrong(
            en="Rows and columns are exchanged: going along a row, you pass columns.",
            zh_CN="行与列弄反了：沿着一行走，经过的是列。",
        )
    if near(found, [2, 2, 0]):
        raise Wrong(
            en="It forgets where the first pixel lies: begin at `position`.",
            zh_CN="忘了第一个像素在哪里：请从 `position` 出发。",
        )
    if not near(found, [12, 22, 30]):
        raise Wrong(
            en=f"Column 4 and row 1 of the example lie at 12, 22, 30 mm; yours says {found}.",
            zh_CN=f"例子中第 4 列第 1 行在 12, 22, 30 mm；你的是 {found}。",
        )
    coronal = ([0.0, 0.0, 100.0], [1, 0, 0, 0, 0, -1], [3.0, 1.0])
    found = need_array(answer(5, 10, *coronal), "place(...)", (3,))
    if not near(found, [5, 0, 70]):
        raise Wrong(
            en="It holds for an axial slice only. In a coronal one rows go down to the feet: use "
            "`along` and `down`.",
            zh_CN="它只适用于横断面。冠状面里行是朝脚的方向走的：请用 `along` 和 `down`。",
        )


def culprit(answer):
    """Each lie by its name; which are still to be found, and where to look."""
    need_dictionary(answer)
    given = {letter: str(answer.get(letter, "?")).strip() for letter in NAMES}
    given = {letter: "Rows" if name == "Columns" else name for letter, name in given.items()}
    if all(name in ("?", "", "Ellipsis") for name in given.values()):
        raise Wrong(
            en="There are question marks still. Replace each by the name of a label.",
            zh_CN="里面还都是问号。请把每个换成一个标签的名字。",
        )
    known = {name.lower(): name for name in NAMES.values()}
    for letter, name in given.items():
        if name != "?" and name.replace(" ", "").lower() not in known:
            raise Wrong(
                en=f"{letter}: '{name}' is none of the six names.",
                zh_CN=f"{letter}：“{name}”不是那六个名字之一。",
            )
        if name != known.get(name.lower(), name):
            raise Wrong(
                en=f"{letter}: write it as it stands there, {known[name.lower()]}.",
                zh_CN=f"{letter}：请照原样写：{known[name.lower()]}。",
            )
    missed = [letter for letter in NAMES if given[letter] != NAMES[letter]]
    if missed:
        right, first = len(NAMES) - len(missed), missed[0]
        raise Wrong(
            en=f"{right} of 6 are right. In {first} look at {LOOK[first][0]}",
            zh_CN=f"6 个里对了 {right} 个。在 {first} 中请看{LOOK[first][1]}",
        )


def need_dictionary(answer):
    """`Wrong` for whatever is no table of letters and names."""
    if not isinstance(answer, dict):
        raise Wrong(
            en="`culprit` must stay a list of letters and names in braces: keep the first line.",
            zh_CN="`culprit` 应当仍是大括号里的字母和名字：请保留第一行。",
        )
