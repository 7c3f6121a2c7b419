"""Checks of this module: each gets the answer alone and makes its own small data."""

import numpy as np

from course_kit.checking import Wrong, near, need_array, need_function, need_number


def rates(answer):
    """Sensitivity and specificity of five films with the finding and four without."""
    truth = np.array([1, 1, 1, 1, 1, 0, 0, 0, 0])
    alarm = np.array([1, 1, 1, 1, 0, 1, 0, 0, 0], dtype=bool)
    found = need_array(need_function(answer, "rates", truth, alarm), "rates(...)", (2,))
    _, specificity = (float(one) for one in found)
    if near(specificity, 0.25):
        raise Wrong(
            en="0.25 is the share of false alarms among films without the finding. The specificity "
            "is the share that raise none: `~alarm` turns true and false round.",
            zh_CN="0.25 是没有目标表现的片中误报的比例。特异度是其中没有报警的比例：`~alarm` 会把真假颠倒。",
        )
    if near(specificity, 4 / 9) or near(specificity, 3 / 9):
        raise Wrong(
            en="You divide by all films. Only films without the finding count: [truth == 0].",
            zh_CN="你除以了全部的片。只看没有目标表现的片：[truth == 0]。",
        )
    if near(specificity, 0.75) and near(found[0], 0.8):
        return
    if near(specificity, 0.2):
        raise Wrong(
            en="0.2 is the share of the missed among films with the finding. Look at truth == 0.",
            zh_CN="0.2 是有目标表现的片中漏掉的比例。请看 truth == 0 的片。",
        )
    raise Wrong(
        en="Of four films without the finding one raises an alarm, of five with it four: 0.8 and "
        f"0.75 are wanted. Yours: {found[0]:.3g} and {specificity:.3g}.",
        zh_CN=f"四张没有目标表现的片里一张报警，五张有的里四张报警：应得 0.8 和 0.75。"
        f"你的是 {found[0]:.3g} 和 {specificity:.3g}。",
    )


def predictive(answer):
    """The positive predictive value by Bayes."""
    share = need_number(need_function(answer, "predictive", 0.8, 0.9, 0.1), "predictive(...)")
    if near(share, 0.8 * 0.1):
        raise Wrong(
            en="That is the share of right alarms among all people. Divide it by all alarms.",
            zh_CN="那是对的报警占全部人的比例。请除以全部报警。",
        )
    if near(share, 0.08 / (0.08 + 0.9 * 0.9)):
        raise Wrong(
            en="`specificity` of the healthy raise no alarm. A false alarm comes from the rest: "
            "1 - specificity.",
            zh_CN="健康人中有 `specificity` 的人不报警。误报来自其余的人：1 - specificity。",
        )
    if near(share, 0.8 / (0.8 + 0.1)) or near(share, 0.08 / (0.08 + 0.1)):
        raise Wrong(
            en="The healthy are not weighed by how many they are: multiply their false alarms by "
            "1 - prevalence.",
            zh_CN="没有考虑健康人有多少：误报要乘以 1 - prevalence。",
        )
    if not near(share, 0.08 / 0.17):
        raise Wrong(
            en="Of 100 people 10 have it: 8 right alarms; of the other 90, 9 false ones. So 8 of 17 "
            f"alarms are right, 0.471. Yours: {share:.3g}.",
            zh_CN=f"100 人里 10 人患病：8 个对的报警；另 90 人里 9 个误报。17 个报警里 8 个对，即 0.471。"
            f"你的是 {share:.3g}。",
        )
    if not near(need_number(answer(0.5, 0.5, 0.3), "predictive(...)"), 0.3):
        raise Wrong(
            en="A coin as reader must leave the prevalence as it is, and yours does not.",
            zh_CN="抛硬币的读片者应让患病率保持不变，而你的没有。",
        )


def honest(answer):
    """Odds times the ratio of the prevalence odds."""
    asked = np.array([0.2, 0.5, 0.9])
    found = need_array(need_function(answer, "honest", asked, 0.5, 0.1), "honest(...)", (3,))
    if near(found, asked):
        raise Wrong(
            en="The probabilities come out as they went in: multiply the odds.",
            zh_CN="概率原样出来了：请把比值乘上去。",
        )
    if near(found[1], 0.9):
        raise Wrong(
            en="The finding has become rarer, and yours says it is likelier: now belongs above, was "
            "below.",
            zh_CN="病变变少了，你的却说更可能：now 应在上，was 应在下。",
        )
    if near(found[1], 0.2 / 1.2) or near(found[1], 0.1 / 0.6):
        raise Wrong(
            en="You multiply by the prevalences. It must be their odds: now / (1 - now), "
            "was / (1 - was).",
            zh_CN="你乘的是患病率本身。应当用它们的比值（odds）：now / (1 - now) 和 was / (1 - was)。",
        )
    wanted = asked / (1 - asked) / 9
    if not near(found, wanted / (1 + wanted), 1e-6):
        raise Wrong(
            en="A film that got 0.5 where half are ill must get 0.1 where one in ten is. Yours: "
            f"{found[1]:.3g}.",
            zh_CN=f"在一半人患病的地方得到 0.5 的片，在十分之一患病的地方应得 0.1。你的是 {found[1]:.3g}。",
        )
    back = need_array(answer(found, 0.1, 0.5), "honest(...)", (3,))
    if not near(back, asked, 1e-6):
        raise Wrong(
            en="There and back again must give the same probabilities, and it does not: use `was` "
            "as well as `now`.",
            zh_CN="换过去再换回来应得到原来的概率，可是没有：`was` 和 `now` 都要用上。",
        )


def interval(answer):
    """The quantiles 0.025 and 0.975, whatever the order of the draws."""
    draws = np.random.default_rng(3).permutation(np.linspace(0, 1, 1001))
    found = need_array(need_function(answer, "interval", draws), "interval(...)", (2,))
    low, high = (float(one) for one in found)
    if low > high:
        raise Wrong(
            en=f"The lower end ({low:.3g}) lies above the upper one ({high:.3g}).",
            zh_CN=f"下端（{low:.3g}）比上端（{high:.3g}）还高。",
        )
    if near([low, high], [0.05, 0.95], 0.002):
        raise Wrong(
            en="5 of 100 stay outside on each side: that holds 90. Half of the 5 belong to each side.",
            zh_CN="两侧各有 5% 在外面：那样只含 90%。这 5% 应当两侧各一半。",
        )
    if near([low, high], [0, 1], 0.002):
        raise Wrong(
            en="That is the whole heap, with its luckiest and unluckiest draw. Leave some outside.",
            zh_CN="那是整堆数，连最走运和最倒霉的都在内。要留一部分在外面。",
        )
    if not near([low, high], [0.025, 0.975], 0.002):
        raise Wrong(
            en=f"Between {low:.3g} and {high:.3g} lie {100 * (high - low):.0f} of 100 draws here; "
            "95 are wanted, in the middle.",
            zh_CN=f"这里 {low:.3g} 到 {high:.3g} 之间含 {100 * (high - low):.0f}%；要的是中间的 95%。",
        )
