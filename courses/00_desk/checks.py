"""Checks of this module; each gets the answer alone."""

import math

from course_kit.checking import Wrong, near, need_function, need_number

ROWS, COLUMNS, SLICES = 512, 512, 300
CASES = ((512, 512, 300, 4), (64, 32, 8, 2), (1, 1, 1, 2**20))


def voxels(answer):
    """Rows times columns times slices."""
    value = need_number(answer, "voxels")
    if value == ROWS + COLUMNS + SLICES:
        raise Wrong(
            en="These are three edges laid end to end. A box is filled by multiplying its edges: "
            "write * where you wrote +.",
            zh_CN="这是把三条边首尾相接。要填满一个盒子，应把三条边相乘：把 + 换成 *。",
        )
    if value in (ROWS * COLUMNS, ROWS * SLICES):
        raise Wrong(
            en="That is one layer of the box. The third edge is missing.",
            zh_CN="这只是盒子的一层，还少了第三条边。",
        )
    if value != ROWS * COLUMNS * SLICES:
        raise Wrong(
            en=f"It should be {ROWS} rows times {COLUMNS} columns times {SLICES} slices, and yours "
            f"is {value:,.0f}.",
            zh_CN=f"应该是 {ROWS} 行乘 {COLUMNS} 列乘 {SLICES} 层，而你的是 {value:,.0f}。",
        )


def megabytes(answer):
    """Voxels times bytes, in MB of 2**20 bytes."""
    found = need_function(answer, "megabytes", *CASES[0])
    right = math.prod(CASES[0]) / 2**20
    if near(found, right / CASES[0][-1], 0.01):
        raise Wrong(
            en="You count voxels as if each took one byte. A voxel takes `bytes_each` bytes.",
            zh_CN="你把每个体素当成一个字节了。一个体素占 `bytes_each` 个字节。",
        )
    if near(found, right * 2**20, 1):
        raise Wrong(
            en="These are bytes. One MB holds 2**20 of them: divide.",
            zh_CN="这是字节数。一个 MB 有 2**20 个字节：要除。",
        )
    if near(found, right / 2**10, 0.01):
        raise Wrong(
            en="These are GB: you divided once too often. One MB is 2**20 bytes.",
            zh_CN="这是 GB：多除了一次。一个 MB 是 2**20 个字节。",
        )
    if near(found, math.prod(CASES[0]) / 10**6, 0.01):
        raise Wrong(
            en="Nearly: you took a million bytes for one MB. Here one MB is 2**20 bytes, which is "
            "a little more.",
            zh_CN="很接近：你把一百万字节当作一个 MB。这里一个 MB 是 2**20 个字节，略多一点。",
        )
    for case in CASES:
        wanted, given = math.prod(case) / 2**20, answer(*case)
        if not near(given, wanted, 1e-6 * max(1.0, wanted)):
            raise Wrong(
                en=f"megabytes{case} gives {given}, and it should give {wanted:g}. Does it use all "
                "four numbers that it is given?",
                zh_CN=f"megabytes{case} 得到 {given}，应为 {wanted:g}。四个输入都用上了吗？",
            )


def rank(answer):
    """The minute of entering, and ten for each hour, sixty at most."""
    found = need_function(answer, "rank", 20, 3)
    if near(found, 20 - 30):
        raise Wrong(
            en="Whoever had much goes first in your line: you subtract the minutes. Add them.",
            zh_CN="在你的队伍里用得多的反而先走：你在减。应该加。",
        )
    if near(found, 23):
        raise Wrong(
            en="An hour counts as one minute in your line. It should count as ten.",
            zh_CN="在你的队伍里一小时只算一分钟。应该算十分钟。",
        )
    if near(found, 20 + 30) and near(answer(20, 50), 20 + 500):
        raise Wrong(
            en="Who had fifty hours waits for ever in your line: more than sixty minutes may not "
            "be added. `min(60, ...)` sees to that.",
            zh_CN="用过五十小时的人在你的队伍里要永远等下去：最多只能加六十分钟，用 `min(60, ...)`。",
        )
    if near(found, 20 + 60) and near(answer(20, 50), 20 + 500):
        raise Wrong(
            en="You took the larger of the two numbers. `min` takes the smaller, `max` the larger.",
            zh_CN="你取了两个数里较大的。`min` 取较小的，`max` 取较大的。",
        )
    for entered, hours in ((20, 3), (0, 0), (100, 6), (5, 50), (7, 0.5)):
        wanted, given = entered + min(60, 10 * hours), answer(entered, hours)
        if not near(given, wanted):
            raise Wrong(
                en=f"Who entered at minute {entered} with {hours} hours has the rank {wanted}; "
                f"yours gives {given}.",
                zh_CN=f"第 {entered} 分钟进入、用过 {hours} 小时的人排位是 {wanted}；你的是 {given}。",
            )


def next_in_line(answer):
    """The name with the smallest rank."""
    early_but_much = _people(("Ana", 0, 9), ("Ben", 30, 0), ("Chen", 50, 1))
    found = need_function(answer, "next_in_line", early_but_much)
    if found == "Ana":
        raise Wrong(
            en="Ana entered first, but she had a card for nine hours this week: her rank is sixty, "
            "and Ben's is thirty. Do you compare ranks, or the minutes of entering?",
            zh_CN="Ana 最先进入，但她本周用卡九小时：排位是六十，而 Ben 是三十。你比的是排位还是进入时间？",
        )
    if found == "Chen":
        raise Wrong(
            en="Chen has the last word in your line. Is each person compared with the smallest rank "
            "so far, and is that rank remembered?",
            zh_CN="在你的队伍里最后一个人总会赢。有没有和目前最小的排位比较，并记住它？",
        )
    late_without = _people(("Dora", 10, 2), ("Emil", 55, 0))
    if answer(late_without) == "Emil":
        raise Wrong(
            en="Emil had no card this week, but he came at minute 55. Dora ranks at 30, in spite of "
            "her two hours. The minute of entering counts, too.",
            zh_CN="Emil 本周没用过卡，但他第 55 分钟才来；Dora 虽用了两小时，排位是 30。进入时间也要算。",
        )
    beyond = _people(("Fang", 0, 30), ("Gita", 61, 0))
    if answer(beyond) == "Gita":
        raise Wrong(
            en="Fang had thirty hours, but more than sixty minutes may not be added: her rank is "
            "60, and Gita's is 61.",
            zh_CN="Fang 用了三十小时，但最多加六十分钟：她的排位是 60，Gita 是 61。",
        )
    for people, first in ((early_but_much, "Ben"), (late_without, "Dora"), (beyond, "Fang")):
        given = answer(people)
        if given != first:
            raise Wrong(
                en=f"Of {_names(people)}, {first} goes first; yours gives {given!r}. It should give "
                "back the name.",
                zh_CN=f"{_names(people)} 中先走的是 {first}；你的给出 {given!r}。应返回名字。",
            )


def _people(*rows):
    return [dict(zip(("name", "entered", "hours_used"), row)) for row in rows]


def _names(people):
    return ", ".join(person["name"] for person in people)
