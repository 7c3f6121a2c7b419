"""Checks of this module; each gets the answer alone."""

import numpy as np

from course_kit.checking import Wrong, near, need_array, need_function, need_number


def information(answer):
    """Sum of together * log(together / alone) where together is not zero."""
    alike = np.array([[10.0, 0.0], [0.0, 10.0]])
    found = need_number(need_function(answer, "information", alike), "information")
    if near(found, 1.0, 1e-6):
        raise Wrong(
            en="You used log2. Here the natural logarithm np.log is wanted: two pictures alike in "
            "black and white give 0.693.",
            zh_CN="你用了 log2。这里要用自然对数 np.log：两张完全一致的黑白图应得 0.693。",
        )
    if near(found, -np.log(2), 1e-6):
        raise Wrong(
            en="The sign is turned round: pictures that fit get less than nothing. Divide `together` "
            "by `alone`, not the other way.",
            zh_CN="符号反了：吻合的图得到了负数。是 `together` 除以 `alone`，不是反过来。",
        )
    if near(found, 2 * np.log(2), 1e-6):
        raise Wrong(
            en="Each pair of greys counts as much as the next in your sum. Multiply each logarithm by "
            "`together`: a pair that occurs often counts more.",
            zh_CN="在你的和里每一对灰度都同样重要。每个对数要乘 `together`：常出现的一对更重要。",
        )
    nothing = need_number(answer(np.full((2, 2), 5.0)), "information")
    if not near(nothing, 0, 1e-9):
        raise Wrong(
            en=f"Two pictures that have nothing to do with one another must get 0; yours gives "
            f"{nothing:.3g}. Is it divided by `alone`?",
            zh_CN=f"毫无关系的两张图应得 0；你的得到 {nothing:.3g}。除以 `alone` 了吗？",
        )
    uneven = np.array([[6.0, 2.0], [1.0, 11.0]])
    for table, wanted in ((alike, np.log(2)), (uneven, _information(uneven))):
        given = answer(table)
        if not near(given, wanted, 1e-6):
            raise Wrong(
                en=f"For the table {table.tolist()} it should be {wanted:.3f}; yours gives {given}.",
                zh_CN=f"对表格 {table.tolist()} 应得 {wanted:.3f}；你的得到 {given}。",
            )


def standardise(answer):
    """Others minus the mean of the usual, divided by their spread."""
    rng = np.random.default_rng(3)
    usual = rng.normal([60, 0.5], [12, 0.1], (200, 2))
    others = rng.normal([80, 0.7], [3, 0.2], (50, 2))
    found = need_array(need_function(answer, "standardise", usual, others), "standardise", (50, 2))
    mean, spread = usual.mean(axis=0), usual.std(axis=0)
    if near(found, (others - others.mean(axis=0)) / others.std(axis=0), 1e-6):
        raise Wrong(
            en="You measured the others by themselves: so a group of very old patients looks usual. "
            "Mean and spread must be those of `usual`.",
            zh_CN="你用 others 自己来衡量自己：一群高龄病人也会显得正常。均值和标准差要用 `usual` 的。",
        )
    if near(found, others - mean, 1e-6):
        raise Wrong(
            en="The mean is taken away, but years are still years. Divide by the spread.",
            zh_CN="减去了均值，但年还是年。要除以标准差。",
        )
    if near(found, (others - mean) / usual.var(axis=0), 1e-6):
        raise Wrong(
            en="You divide by the variance, the square of the spread. `.std` is the spread.",
            zh_CN="你除的是方差，即标准差的平方。`.std` 才是标准差。",
        )
    if near(found, (others - usual.mean()) / usual.std(), 1e-6):
        raise Wrong(
            en="One mean for all columns mixes years with brightness. axis=0 takes each column alone.",
            zh_CN="所有列共用一个均值，把年龄和亮度混在一起了。axis=0 会逐列计算。",
        )
    if not near(found, (others - mean) / spread, 1e-6):
        raise Wrong(
            en=f"A patient of {others[0, 0]:.1f} should become {((others - mean) / spread)[0, 0]:.2f}, "
            f"and becomes {found[0, 0]:.2f}.",
            zh_CN=f"数值 {others[0, 0]:.1f} 应变成 {((others - mean) / spread)[0, 0]:.2f}，"
            f"而你的是 {found[0, 0]:.2f}。",
        )


def late(answer):
    """The mean of the sources that are there."""
    whole = np.array([[0.2, 0.4, 0.9], [0.1, 0.1, 0.4]])
    found = need_array(need_function(answer, "late", whole), "late")
    if found.shape == (3,):
        raise Wrong(
            en="You give back one risk for each source. Rows are patients: axis=1 goes along a row.",
            zh_CN="你给出的是每个来源一个风险。行是病人：axis=1 沿着行计算。",
        )
    if found.shape != (2,):
        raise Wrong(
            en=f"Two patients should get two risks; yours has the shape {found.shape}.",
            zh_CN=f"两个病人应得两个风险；你的形状是 {found.shape}。",
        )
    if near(found, whole.prod(axis=1)) or near(found, whole.max(axis=1)):
        raise Wrong(
            en="In your board one voice decides alone. Take the mean of the three.",
            zh_CN="在你的会诊里一个声音说了算。要取三者的平均。",
        )
    if not near(found, whole.mean(axis=1)):
        raise Wrong(
            en=f"Risks of 0.2, 0.4 and 0.9 should give 0.5; yours gives {found[0]:.3g}.",
            zh_CN=f"风险 0.2、0.4、0.9 应得 0.5；你的得到 {found[0]:.3g}。",
        )
    gappy = np.array([[0.2, np.nan, 0.8], [np.nan, np.nan, 0.4]])
    found = np.asarray(answer(gappy.copy()), dtype=float)
    if np.isnan(found).any():
        raise Wrong(
            en="One missing source makes the whole board silent: nan. np.nanmean leaves it out.",
            zh_CN="缺一个来源，整个会诊就没了声音：nan。np.nanmean 会跳过缺的。",
        )
    if near(found, np.nansum(gappy, axis=1) / 3):
        raise Wrong(
            en="A missing source counts as a risk of zero in your board. Missing is not zero: divide by "
            "how many are there.",
            zh_CN="在你的会诊里，缺的来源被当成零风险。缺失不等于零：要除以在场的个数。",
        )
    if not near(found, [0.5, 0.4]):
        raise Wrong(
            en=f"Risks of 0.2 and 0.8, the third missing, should give 0.5; yours gives {found[0]:.3g}.",
            zh_CN=f"风险 0.2 和 0.8、第三个缺失，应得 0.5；你的得到 {found[0]:.3g}。",
        )


def gain(answer):
    """Quantiles of the difference, draw by draw."""
    rng = np.random.default_rng(5)
    luck = rng.normal(0, 0.05, 400)
    old, new = 0.70 + luck, 0.74 + luck + rng.normal(0, 0.005, 400)
    found = need_array(need_function(answer, "gain", new, old), "gain")
    if found.shape != (2,):
        raise Wrong(
            en=f"Two numbers are wanted, the lower and the upper end; yours has the shape "
            f"{found.shape}.",
            zh_CN=f"需要两个数：下端和上端；你的形状是 {found.shape}。",
        )
    ends = [0.025, 0.975]
    if near(found, np.quantile(old - new, ends)):
        raise Wrong(
            en="You took the new from the old, so that a gain is negative. new - old.",
            zh_CN="你用旧的减新的，增益变成了负数。应是 new - old。",
        )
    apart = np.quantile(new, ends) - np.quantile(old, ends)
    crossed = [np.quantile(new, 0.025) - np.quantile(old, 0.975)]
    crossed.append(np.quantile(new, 0.975) - np.quantile(old, 0.025))
    if near(found, apart) or near(found, crossed):
        raise Wrong(
            en="You compared two intervals. Both readers saw the same draws: subtract draw by draw "
            "first, then look how far the differences wander.",
            zh_CN="你比较的是两个区间。两位读者看的是同样的抽取：先逐次相减，再看差值游走多远。",
        )
    if near(found, np.quantile(new - old, [0.05, 0.95])):
        raise Wrong(
            en="These are the ends of 90 of 100 draws. For 95 of 100 leave out 2.5 at each end.",
            zh_CN="这是 100 次中 90 次的两端。要 95 次，每端各去掉 2.5 次。",
        )
    if not near(found, np.quantile(new - old, ends), 1e-6):
        raise Wrong(
            en=f"It should be about {np.quantile(new - old, ends).round(3).tolist()}; yours gives "
            f"{found.round(3).tolist()}.",
            zh_CN=f"应约为 {np.quantile(new - old, ends).round(3).tolist()}；你的得到 "
            f"{found.round(3).tolist()}。",
        )


def _information(counts):
    together = counts / counts.sum()
    alone = together.sum(axis=1, keepdims=True) * together.sum(axis=0, keepdims=True)
    filled = together > 0
    return float(np.sum(together[filled] * np.log(together[filled] / alone[filled])))
