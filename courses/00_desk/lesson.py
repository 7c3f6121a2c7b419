# %% [markdown] name="card"
# # Your desk
#
# **You work at a desk of your own on a shared machine. Know its edges, and you can break nothing.**
#
# In the next half hour you will
#
# 1. see what your desk may use, and watch it move,
# 2. foretell how much memory a chest CT needs,
# 3. meet the checks that will help you through all pages,
# 4. stand in a line for a graphics card, and find out when a line is fair.
#
# You need no programming. Click on a cell and press **Shift + Enter** to run it, from top to bottom.
# Some cells are folded: a click on the three dots shows their code.

# %% name="imports"
import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.patches import FancyBboxPatch

from course_kit import READERS, metrics, open_page
from course_kit.widgets.gauge import Gauge
from course_kit.widgets.selftest import self_test
from course_kit.widgets.waiting import LineExplorer, Task, first_come, serve

page = open_page("00_desk", globals())

# %% [markdown] name="parameters-words"
# These settings are all that you will ever need to change. Leave them for the first run.

# %% name="parameters" tags=["parameters"]
mornings = 200  # how many mornings of a class we play through
students = 12  # how many want a graphics card on a morning
cards = 2  # how many graphics cards there are
seed = 1  # the same seed deals the same cards

# %% [markdown] name="desk-words"
# ## What is yours
#
# You work in a **container**: a room with walls inside a large machine. Nobody else can look in,
# and you cannot get out of it. Whatever you try, the worst that can happen is that *your* room has
# to be opened again. So let us ask what it may use.

# %% name="desk"
desk = page.desk()

# %% [markdown] name="story"
# ## The question
#
# Many desks stand on one machine. Each has its own share of the processor and of the memory, and a
# folder that stays. But graphics cards are few. They are lent, one after the other.
# **What is yours, and what do you share?**

# %% name="story-picture" tags=["folded"]
figure, ax = plt.subplots(figsize=(11, 3.8), layout="constrained")
ax.set(xlim=(0, 110), ylim=(0, 37), title="One machine, many desks, few cards")
ax.axis("off")


def box(x, y, width, height, words, fill, ink="#1e293b"):
    """A box with round corners and words in its middle."""
    shape = "round,pad=0,rounding_size=1.2"
    ax.add_patch(FancyBboxPatch((x, y), width, height, boxstyle=shape, fc=fill, ec="#cbd5e1"))
    middle = (x + width / 2, y + height / 2)
    ax.text(*middle, words, ha="center", va="center", color=ink, fontsize=13)


box(0, 0, 108, 35, "", "#f8fafc")
for number, name in enumerate(["Your desk", "Another desk", "Another desk"]):
    left = 2 + 25 * number
    mine = number == 0
    box(left, 2, 23, 31, "", "#dbeafe" if mine else "#f1f5f9")
    ax.text(left + 11.5, 30, name, ha="center", va="center", fontsize=14)
    for row, part in enumerate(["processor", "memory", "folder"]):
        box(
            left + 2,
            20 - 8 * row,
            19,
            6,
            part,
            "#2563eb" if mine else "white",
            "white" if mine else "#64748b",
        )
for number in range(2):
    box(82, 19 - 13 * number, 22, 10, "graphics card", "#fde68a")
ax.text(93, 31.5, "lent in turn", ha="center", va="center", color="#92400e", fontsize=13)
plt.show()

# %% [markdown] name="predict-words"
# ## Predict
#
# A chest CT is a stack of pictures. Each point of the stack is a **voxel**, and a network wants one
# decimal number for each voxel, which takes four bytes. A usual chest CT has 512 rows, 512 columns
# and 300 slices. **How many MB of your memory will one such CT fill?** Guess; nobody sees it but
# you.

# %% name="predict"
page.predict("ct", low=0, high=1000, start=50, ask="Memory of one chest CT, in MB")

# %% [markdown] name="look-words"
# ## Look: your desk, live
#
# Four rings. How many cores are busy? How full are memory and folder? How long does your session
# last? The rings look at your container once a second, also while other cells run.

# %% name="look"
gauge = Gauge()
gauge

# %% [markdown] name="stir-words"
# Now give it something to do: the next cell multiplies large tables and fills some memory, for a
# few seconds. **Run it, and look up at the rings at once.**

# %% name="stir"
kept = []
end = time.monotonic() + 5
while time.monotonic() < end:
    table = np.random.default_rng(seed).random((1200, 1200), dtype=np.float32)
    table = table @ table
    if len(kept) < 50:
        kept.append(table.copy())
print(f"At most {gauge.most_cores:.1f} cores were busy, and {gauge.most_memory_gb:.1f} GB full.")
del kept, table  # gives the memory back

# %% [markdown] name="edges-words"
# What happens at the edges?
#
# | edge | what happens | what you do |
# |---|---|---|
# | processor | cells take longer; nothing breaks | wait, or make it smaller |
# | memory | the notebook's kernel is stopped; names are forgotten, files stay | run from the top, with less |
# | folder | nothing new can be saved | delete large files that you no longer need |
# | session | the desk is put away; your folder stays | start it again, whenever you like |
#
# Before an edge comes, a notice tells you.

# %% [markdown] name="selftest-words"
# ## Does all of it work?
#
# The **self-test** tries each part of your desk. It takes less than 15 seconds. If a line is not
# green, show it to your instructor.

# %% name="selftest"
start = time.monotonic()
findings = self_test()
page.claim("selftest", time.monotonic() - start)

# %% [markdown] name="checks-words"
# ## Build: your first gap
#
# On each page you will find gaps: three dots, and the words *your turn*. You replace the dots and
# run the cell. The cell below it is the **check**. It tells you what it found, and never punishes:
# tries cost nothing, hints cost nothing.
#
# **How many voxels has this CT?** It has rows, columns and slices, like a box of sugar cubes.
# In code, `*` means times. First write something wrong on purpose, such as `rows + columns + slices`,
# and read what the check says.

# %% name="voxels"
rows, columns, slices = 512, 512, 300
voxels = (
    # BEGIN SOLUTION
    rows * columns * slices
    # END SOLUTION
)

# %% name="check-voxels"
page.check("voxels")

# %% [markdown] name="hint-words"
# Stuck? Ask for a hint. Run the next cell again for the next one; there are three.

# %% name="hint"
page.hint("voxels")

# %% [markdown] name="memory-words"
# ## Build: how much memory is that?
#
# Now any image, not just this one. A **function** is a recipe: it takes numbers in and gives one
# back, behind the word `return`. Yours is to give the **MB** that an image needs. One MB is
# `2**20` bytes: `**` means *to the power of*, and `/` means *divided by*.


# %% name="megabytes"
def megabytes(rows, columns, slices, bytes_each):
    # BEGIN SOLUTION
    return rows * columns * slices * bytes_each / 2**20
    # END SOLUTION


# %% name="check-megabytes"
page.check("megabytes")

# %% name="reveal" tags=["folded"]
needed = page.answer("megabytes", otherwise=lambda r, c, s, b: r * c * s * b / 2**20)
ct = needed(512, 512, 300, 4)
page.reveal("ct", ct, unit="MB")
print(f"Beside the rest, {desk.memory_gb * 1024 / ct:.0f} such CTs would fill all of your memory.")
page.claim("ct", ct)

# %% [markdown] name="reveal-words"
# One CT fills about 300 MB. A network keeps many copies of what it works on, so it sees small
# pieces. That is why many pages cut images into patches, and why each page says how much memory
# it was made for.

# %% [markdown] name="kept-words"
# ## What is kept
#
# - **Your folder is kept**, with all notebooks, whatever happens to the session.
# - **Names are not.** When the kernel starts anew, `voxels` is unknown until its cell is run again.
#   Then a note tells you which cell to run.
# - **Your points are kept** in your folder. Nobody sees them, unless you say so at the end of a page.
# - **Reset this page**, a button above the notebook, brings the page back as it was given out. What
#   you have written is kept beside it as a backup.

# %% [markdown] name="line-words"
# ## The line for a graphics card
#
# Some pages use a **graphics card**. There are fewer cards than students, so there is a line.
# Two rules make it fair.
#
# 1. **Who had much goes later.** Each hour on a card in the last seven days counts as if you had
#    come ten minutes later. But an hour later at most: nobody waits for ever.
# 2. **Gaps are filled.** A short task may go before a long one, if nobody who stands before it
#    starts any later for that.
#
# Below is one morning. You are blue. **Move the sliders: what shortens your wait?**

# %% name="line"
others = [
    Task("Ana", entered=0, minutes=90, hours_used=5),
    Task("Ben", entered=2, minutes=60, hours_used=0),
    Task("Chen", entered=5, minutes=60, hours_used=6),
    Task("Dora", entered=8, minutes=120, hours_used=0, cards=2),
    Task("Emil", entered=12, minutes=30, hours_used=0),
    Task("Fang", entered=20, minutes=90, hours_used=2),
]
LineExplorer(others)

# %% [markdown] name="rank-words"
# ## Build: your place in line
#
# Everybody gets a **rank**: the minute that counts. It is the minute when they entered, plus ten
# for each hour that they had a card this week, but plus sixty at most. Who has the smallest rank
# goes first. `min(a, b)` gives the smaller of two numbers.


# %% name="rank"
def rank(entered, hours_used):
    # BEGIN SOLUTION
    return entered + min(60, 10 * hours_used)
    # END SOLUTION


# %% name="check-rank"
page.check("rank")

# %% [markdown] name="next-words"
# ## Build: who is next?
#
# `waiting` is a list of people. Of each you know three things: `person["name"]`,
# `person["entered"]` and `person["hours_used"]`. **Give back the name of the one who goes first.**
# The loop looks at each person in turn, and `first` is the one with the `smallest` rank so far. What
# has to happen when a person with a smaller rank comes along? **`if`** asks, and `=` remembers.


# %% name="next"
def next_in_line(waiting):
    first, smallest = None, float("inf")
    for person in waiting:
        # BEGIN SOLUTION
        place = person["entered"] + min(60, 10 * person["hours_used"])
        if place < smallest:
            first, smallest = person["name"], place
        # END SOLUTION
    return first


# %% name="check-next"
page.check("next")

# %% [markdown] name="floor-words"
# ## The floor, and the ceiling
#
# Is this line better than a plain one? A number alone says nothing: it needs a **floor** that
# anyone reaches, and a **ceiling** that nobody passes. We play through many mornings of a class.
# Here they are invented: when people come, how long they want, what they had this week.
#
# - The *trivial* line: strictly one after the other. Nobody passes anybody.
# - The *classical* line: who came first goes first, and gaps are filled.
# - *Our* line: with your ranks, and gaps are filled.
# - The *ceiling*: a card for everyone. Nobody waits, and it cannot be paid.

# %% name="floor" tags=["folded"]
OURS = "Our line"
place = page.answer("rank", otherwise=lambda entered, hours: entered + min(60, 10 * hours))
colours = READERS.colours | {OURS: "#2563eb"}
rules = {
    READERS.trivial: {"order": first_come, "fill_gaps": False},
    READERS.classical: {"order": first_come, "fill_gaps": True},
    OURS: {"order": lambda task: place(task.entered, task.hours_used), "fill_gaps": True},
}


def morning(number):
    """The tasks of one invented morning."""
    chance = np.random.default_rng([seed, number])
    return [
        Task(
            name=f"{number}-{student}",
            entered=int(chance.integers(0, 120)),
            minutes=int(chance.choice([20, 30, 60, 90])),
            hours_used=float(chance.choice([0, 0, 1, 3, 6])),
            cards=int(chance.choice([1, 1, 1, cards])),
        )
        for student in range(students)
    ]


days = [morning(number) for number in range(mornings)]
waits = pd.DataFrame(
    [
        {"rule": rule, "morning": number, "hours": one.task.hours_used, "waited": one.waited}
        for rule, how in rules.items()
        for number, day in enumerate(days)
        for one in serve(day, cards, **how)
    ]
)
means = {rule: waits[waits.rule == rule].waited.mean() for rule in rules} | {READERS.ceiling: 0}
table = pd.DataFrame({"mean wait in minutes": pd.Series(means).round().astype(int)})
table

# %% [markdown] name="judge-words"
# ## Judge
#
# Other mornings would give other numbers. So we draw mornings again and again, putting each back,
# and see how far the mean wanders: the bar is where 95 of 100 draws lie.
#
# Filling gaps shortens the wait of all. Ranks do not: they *move* it, from those who had nothing
# this week to those who had much. **Fair is not fast. It is a choice.**

# %% name="judge" tags=["folded"]
HAD_NOTHING, HAD_MUCH = "Who had no card this week", "Who had a card for three hours or more"
waits["who"] = np.where(waits.hours == 0, HAD_NOTHING, np.where(waits.hours >= 3, HAD_MUCH, ""))
results = {}
for rule in rules:
    for who in (HAD_NOTHING, HAD_MUCH):
        rows = waits[(waits.rule == rule) & (waits.who == who)]
        results[rule, who] = metrics.bootstrap(np.mean, rows.morning, rows.waited, times=300)

longest = 1.05 * max(found.high for found in results.values())
figure, axes = plt.subplots(1, 2, figsize=(11, 3), sharex=True, sharey=True, layout="constrained")
for ax, who in zip(axes, (HAD_NOTHING, HAD_MUCH)):
    for row, rule in enumerate(rules):
        found, colour = results[rule, who], colours[rule]
        ax.plot([found.low, found.high], [row, row], color=colour, linewidth=4)
        ax.plot(found.value, row, "o", color=colour, markersize=10)
        ax.text(found.value, row + 0.2, f"{found.value:.0f}", ha="center", color=colour)
    ax.set(title=who, xlabel="mean wait in minutes", xlim=(0, longest), ylim=(-0.6, 2.7))
    ax.set_yticks(range(3), list(rules))
plt.show()

# %% name="verdict" tags=["folded"]
page.claim(
    "gaps",
    results[READERS.trivial, HAD_NOTHING].value - results[READERS.classical, HAD_NOTHING].value,
)
page.claim("fair", results[READERS.classical, HAD_NOTHING].value - results[OURS, HAD_NOTHING].value)
page.claim("price", results[OURS, HAD_MUCH].value - results[READERS.classical, HAD_MUCH].value)

# %% [markdown] name="worst-words"
# ## The worst cases
#
# A mean hides its people. So look at the longest waits under our rule. What do they have in common?
# Look at their hours, and at how many cards they asked for.

# %% name="worst" tags=["folded"]
worst = sorted(
    (one for day in days for one in serve(day, cards, **rules[OURS])), key=lambda one: -one.waited
)
pd.DataFrame(
    {
        "waited (min)": [one.waited for one in worst[:5]],
        "hours this week": [one.task.hours_used for one in worst[:5]],
        "cards asked for": [one.task.cards for one in worst[:5]],
        "minutes asked for": [one.task.minutes for one in worst[:5]],
    }
)

# %% [markdown] name="change-words"
# ## Change one thing
#
# Change **one** setting in the cell near the top, then choose *Run → Run All Cells*. Write down what
# you expect, before you look.
#
# | change | ask yourself |
# |---|---|
# | one student fewer | How much does one student less shorten the wait of all others? |
# | one card more | Does it halve the wait, or do more than that? |
# | another `seed` | Nothing but luck has changed. How much do the numbers move? |

# %% [markdown] name="quiz-words"
# ## What have you learnt?
#
# Every answer is explained, also the wrong ones. Answer as often as you like.

# %% name="quiz"
page.quiz()

# %% [markdown] name="take-away"
# ## Take away
#
# - **You work at a desk of your own on a shared machine. Know its edges, and you can break nothing.**
# - **Memory is foretold by a product:** rows, columns, slices, and bytes for each.
# - **A fair line moves the wait; only filled gaps and more cards shorten it.**
# - **Ask for what you need.** A short task finds a gap that a long one does not.
#
# And the limit: these mornings were invented, and every session lasted as long as was asked for. In
# the real line people end early, cards differ, and groups have cards of their own. The line tells
# you when you will probably start; that, too, is a forecast.

# %% name="finish"
page.finish()
