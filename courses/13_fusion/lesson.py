# %% [markdown] name="card"
# # Image, tissue and table together
#
# **A second source helps only where it knows something that the first does not.**
#
# In the next hour you will
#
# 1. lay two pictures of one brain over each other, first by hand, then by a number,
# 2. meet patients of whom three things are known: a chest film, a piece of tissue, a row in a table,
# 3. join the three early, in the middle and late,
# 4. judge the gain, and see what happens when one source is missing.
#
# You need no programming. Click on a cell and press **Shift + Enter** to run it, from top to bottom.
# Some cells are folded: a click on the three dots shows their code.

# %% name="imports"
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression

import cohort
from course_kit import READERS, metrics, open_page, training
from course_kit.widgets.aligner import Aligner, overlay, shifted
from dicom_catalog import Catalog

page = open_page("13_fusion", globals())

# %% [markdown] name="parameters-words"
# These settings are all that you will ever need to change. Leave them for the first run.

# %% name="parameters" tags=["parameters"]
epochs = 20  # how often the network goes through all training patients
seed = 1  # the same seed deals the same cards

# %% [markdown] name="desk-words"
# ## Your desk
#
# What may this page use here?

# %% name="desk"
desk = page.desk()
torch.manual_seed(seed)
torch.set_num_threads(1)  # a network as small as ours is faster on one core

# %% [markdown] name="story"
# ## The question
#
# A tumour board meets. The radiologist brings a film, the pathologist a slide, the clinician a table
# of numbers. Each knows something. **What does the board know that none of them knows alone?**
#
# It begins with a simpler question. Two pictures of the same brain: do they lie on one another?

# %% name="story-picture" tags=["folded"]
scans = Catalog()["brain-mr"].split("test")
patient = next(row.patient_id for row in scans if row.label == "yes")
series = {one.labels["sequence"]: one for one in scans.series if one.patient_id == patient}
middle = series["T1"].shape[0] // 2
t1, t2_there = (series[name].array()[middle].astype(float) for name in ("T1", "T2"))
dice = np.random.default_rng(seed)
planted = tuple(int(dice.choice([-1, 1]) * dice.integers(5, 10)) for _ in range(2))
t2 = shifted(t2_there, *planted)  # the patient moved between the two scans
millimetres = series["T1"].spacing[-1]

figure, axes = plt.subplots(1, 3, figsize=(11, 3.9), layout="constrained")
for ax, shown, title in zip(
    axes,
    (t1, t2, overlay(t1, t2)),
    ("T1", "T2, after the patient has moved", "T1 orange, T2 blue: they do not fit"),
):
    ax.imshow(shown, cmap="gray")
    ax.set_title(title)
    ax.axis("off")
plt.show()

# %% [markdown] name="fit-words"
# ## When do two pictures fit?
#
# To lay one picture over another is called **registration**. The same tissue is bright in one and
# dark in the other, so subtracting them says nothing. But when they fit, *the grey of one foretells
# the grey of the other*. How well it does so is their **mutual information**.
#
# We count how often each pair of greys occurs: a table, greys of T1 in rows, greys of T2 in
# columns. As shares of all pixels, the table is `together`. If the greys had nothing to do with one
# another, each share would be the share of its row times the share of its column: `alone`.
#
# **Your turn.** Add up `together * log(together / alone)`. Where `together` is zero, nothing is
# added: `filled` says where it is not.


# %% name="information"
def information(counts):
    """How well the grey of one picture foretells that of the other; 0: not at all."""
    together = counts / counts.sum()
    alone = together.sum(axis=1, keepdims=True) * together.sum(axis=0, keepdims=True)
    filled = together > 0
    # BEGIN SOLUTION
    return float(np.sum(together[filled] * np.log(together[filled] / alone[filled])))
    # END SOLUTION


# %% name="check-information"
page.check("information")

# %% name="aligner-tools" tags=["folded"]
information_of = page.answer("information", otherwise=cohort.information)


def fit(fixed, moving):
    """Mutual information of two pictures, from a table of 24 by 24 greys."""
    inside = (slice(14, -14), slice(14, -14))
    counts, _, _ = np.histogram2d(fixed[inside].ravel(), moving[inside].ravel(), bins=24)
    return information_of(counts)


# %% [markdown] name="look-words"
# ## Look: by hand
#
# Move T2 until the colours melt into grey. The number below says how well they fit.
# **Can you find the place where it is largest?**

# %% name="look"
Aligner(t1, t2, fit)

# %% [markdown] name="search-words"
# ## And by number
#
# Now the machine tries all places. At the left, what mutual information says of each of them. In the
# middle, what the plain difference says: how far the greys lie apart. The cross is where each is at
# its best, the ring is the truth.
#
# **Predict:** which of the two finds the ring?

# %% name="search" tags=["folded"]
moves = range(-12, 13)
inner = (slice(14, -14), slice(14, -14))
scale = [(picture - picture.mean()) / picture.std() for picture in (t1, t2)]
tried = {
    "Mutual information": lambda a, b: fit(a, b),
    "Plain difference": lambda a, b: -np.mean((a[inner] - b[inner]) ** 2),
}
truth = (-planted[0], -planted[1])
figure, axes = plt.subplots(1, 3, figsize=(11, 3.9), layout="constrained")
found, apart = {}, {}
for ax, (name, score) in zip(axes, tried.items()):
    fits = np.array([[score(scale[0], shifted(scale[1], y, x)) for x in moves] for y in moves])
    row, column = np.unravel_index(fits.argmax(), fits.shape)
    found[name] = (moves[row], moves[column])
    apart[name] = float(np.hypot(*np.subtract(found[name], truth)))
    ax.imshow(fits, extent=(-12.5, 12.5, 12.5, -12.5), cmap="Blues")
    ax.plot(*truth[::-1], "o", markersize=16, markerfacecolor="none", color="#d97706")
    ax.plot(*found[name][::-1], "x", markersize=11, markeredgewidth=2.5, color="#1e293b")
    ax.set(title=f"{name}: {apart[name] * millimetres:.1f} mm off", xlabel="right", ylabel="down")
axes[2].imshow(overlay(t1, shifted(t2, *found["Mutual information"])))
axes[2].set_title("Moved to the cross at the left")
axes[2].axis("off")
plt.show()
page.claim("registered", apart["Mutual information"] * millimetres)
page.claim("astray", apart["Plain difference"] * millimetres)

# %% [markdown] name="search-after"
# Mutual information lands within 3 mm of the truth, two pixels. The plain difference goes astray: it
# looks for equal greys, and water is dark in T1 and bright in T2. Mutual information needs no rule
# about which tissue is bright where. That is why it registers CT to MR and MR to PET.

# %% [markdown] name="cohort-words"
# ## The patients
#
# For the rest of the page the sources are of different kinds: no pixel of a film belongs to a pixel
# of a slide. What they share is the patient. Ours are **invented**: a film of one data set and a
# piece of tissue of another are joined by lot, and a table is drawn. Then the disease comes back,
# or not, by a rule that we know and that no reader is told.
#
# Below are four of them.

# %% name="cohort"
films, tiles = Catalog()["chest-film"], Catalog()["histology"]
train, validation, test = (
    cohort.join(films, tiles, split, seed) for split in ("train", "validation", "test")
)
print(f"{len(train)} patients to learn from, {len(validation)} to watch, {len(test)} in the drawer")

figure, axes = plt.subplots(2, 4, figsize=(11, 5.6), layout="constrained")
for number, column in enumerate(axes.T):
    age, pack_years, marker = train.table[number]
    column[0].imshow(train.films[train.film_of[number]], cmap="gray")
    column[1].imshow(train.pieces[train.piece_of[number]].transpose(1, 2, 0))
    column[0].set_title(f"{age:.0f} years, {pack_years:.0f} pack-years,\nmarker {marker:.1f}")
    column[1].set_title("came back" if train.relapse[number] else "stayed away")
    for ax in column:
        ax.axis("off")
plt.show()

# %% [markdown] name="predict-words"
# ## Predict
#
# Alone, each source gets some pairs of patients right: it gives more risk to the one whose disease
# came back. **How many of 100 pairs will all three together get right?**

# %% name="predict"
page.predict("pairs", low=50, high=100, start=70, ask="Pairs of 100, all three together", step=1)

# %% [markdown] name="measure-words"
# ## Make the sources comparable
#
# First each source becomes a row of measurements: of the film, how unlike the usual film it is and
# how large its blobs are; of the tissue, how many dark spots and how ordered; of the table, its
# numbers. But an age of eighty and a brightness of a half cannot be weighed side by side. So each
# measurement is taken in units of what is usual: minus the **mean**, divided by the **spread**
# (standard deviation) of the *training* patients.
#
# **Your turn.** `usual` are the training patients, `others` any patients; patients are rows.
# `.mean(axis=0)` gives the mean of each column, `.std(axis=0)` its spread.


# %% name="standardise"
def standardise(usual, others):
    """`others` in units of what is usual in the training patients."""
    # BEGIN SOLUTION
    return (others - usual.mean(axis=0)) / usual.std(axis=0)
    # END SOLUTION


# %% name="check-standardise"
page.check("standardise")

# %% name="measure" tags=["folded"]
scaled = page.answer("standardise", otherwise=cohort.standardise)
even = cohort.even_out(train.films)
usual_film = even.mean(axis=0), even.std(axis=0) + 0.1


def measure(some):
    """What is measured of each patient, a table for each source."""
    return {
        "film": cohort.measure_film(some.films, usual_film)[some.film_of],
        "tissue": cohort.measure_tissue(some.pieces)[some.piece_of],
        "table": cohort.measure_table(some.table),
    }


SOURCES = {"film": "Film", "tissue": "Tissue", "table": "Table"}
raw = measure(train)
x_train, x_validation, x_test = (
    {name: scaled(raw[name], values) for name, values in measure(some).items()}
    for some in (train, validation, test)
)
print(", ".join(f"{name}: {values.shape[1]} measurements" for name, values in x_train.items()))

# %% [markdown] name="floor-words"
# ## The floor, and the ceiling
#
# - The *trivial* reader gives everybody the same risk.
# - Each source alone: a weighted sum, the weights learnt. The best of them is our *classical* reader.
# - The *ceiling* knows the rule and each patient's true chance. It is not perfect either: a chance is
#   a chance.


# %% name="floor"
def alone(name):
    """The risk of each patient by one source: of the validation, and of the test patients."""
    reader = LogisticRegression(C=0.3, max_iter=500).fit(x_train[name], train.relapse)
    return [reader.predict_proba(some[name])[:, 1] for some in (x_validation, x_test)]


single = {name: alone(name) for name in SOURCES}
watched = {name: metrics.auroc(validation.relapse, said[0]) for name, said in single.items()}
best = max(watched, key=watched.get)
for name, value in watched.items():
    print(f"{SOURCES[name]:8} {value:.2f}")
print(f"The best single source is: {SOURCES[best]}. The ceiling:", end=" ")
print(f"{metrics.auroc(validation.relapse, validation.chance):.2f} (validation patients)")

# %% [markdown] name="late-words"
# ## Late: each reads alone, then they vote
#
# The simplest board: each source gives its risk, and the board takes the **mean**. Nobody has to
# learn anything new. And if a source is missing, the others vote without it.
#
# **Your turn.** `risks` has a row for each patient and a column for each source. A missing source is
# `nan` (not a number). Give back one risk for each patient: the mean of those that are there.
# `np.isnan` finds the missing ones, and `np.nanmean(..., axis=1)` leaves them out.


# %% name="late"
def late(risks):
    """One risk for each patient: the mean of the sources that are there."""
    # BEGIN SOLUTION
    return np.nanmean(risks, axis=1)
    # END SOLUTION


# %% name="check-late"
page.check("late")

# %% [markdown] name="early-words"
# ## Early, and in the middle
#
# **Early**: all measurements in one long row, one reader for all of them. It may weigh whatever it
# likes, and it fails when anything is missing.
#
# **In the middle**: each source first gets a small network of its own, its *branch*. The branches
# meet, and another small network decides. While it learns, we hide a source now and then. So it
# cannot rely on any of them, and learns what to do without. That is called **modality dropout**.


# %% name="build"
class Board(torch.nn.Module):
    """A branch for each source; where they meet, a small network decides."""

    def __init__(self, hide):
        super().__init__()
        self.hide = hide  # how often each source is hidden while it learns
        self.widths = [values.shape[1] for values in x_train.values()]
        self.branches = torch.nn.ModuleList(
            torch.nn.Sequential(torch.nn.Linear(width, 8), torch.nn.Tanh()) for width in self.widths
        )
        self.decide = torch.nn.Sequential(
            torch.nn.Linear(24, 12), torch.nn.ReLU(), torch.nn.Dropout(0.2), torch.nn.Linear(12, 1)
        )

    def forward(self, rows):
        there = [~part.isnan().any(1, keepdim=True) for part in rows.split(self.widths, dim=1)]
        if self.training:
            there = [some & (torch.rand(some.shape) >= self.hide).to(some) for some in there]
        parts = rows.nan_to_num().split(self.widths, dim=1)
        heard = [branch(part) * some for branch, part, some in zip(self.branches, parts, there)]
        return self.decide(torch.cat(heard, dim=1))[:, 0]


def joined(some):
    """All sources of each patient in one long row."""
    return np.concatenate(list(some.values()), axis=1).astype(np.float32)


# %% [markdown] name="train-words"
# ## Train, live
#
# Left the loss: how wrong it is. Right its AUC on the validation patients. The dashed line is the
# best single source. **Does the board pass it, and when?**


# %% name="train"
def train_board(hide):
    """A board that learnt with its sources hidden that often."""
    torch.manual_seed(seed)
    board = Board(hide).to(desk.device)

    def watch(network):
        said = training.predict(network, joined(x_validation), desk.device, batch=256)
        return metrics.auroc(validation.relapse, said)

    answers = train.relapse.astype(np.float32)
    training.fit(
        board,
        training.batches(joined(x_train), answers, 64, seed=seed),
        loss=torch.nn.functional.binary_cross_entropy_with_logits,
        validate=watch,
        metric="AUC",
        lines={SOURCES[best]: watched[best]},
        optimizer=torch.optim.AdamW(board.parameters(), weight_decay=0.05),
        lr=5e-3,
        epochs=epochs,
        device=desk.device,
    )
    return board


board = train_board(hide=0.3)

# %% [markdown] name="judge-words"
# ## Judge: open the drawer
#
# Now the test patients, once. The bar holds 95 of 100 draws (the **bootstrap**). We draw *people on
# films*: invented patients with the same film are one witness.
#
# All three together beat the best single source by at least 0.02. How they are joined matters less
# than that they are joined.

# %% name="judge" tags=["folded"]
vote = page.answer("late", otherwise=cohort.late)
early = LogisticRegression(C=0.3, max_iter=500).fit(joined(x_train), train.relapse)
EARLY, MIDDLE, LATE = "All three, early", "All three, in the middle", "All three, late"
scores = {READERS.trivial: np.zeros(len(test))}
scores |= {SOURCES[name]: said[1] for name, said in single.items()}
scores[LATE] = vote(np.column_stack([said[1] for said in single.values()]))
scores[EARLY] = early.predict_proba(joined(x_test))[:, 1]
scores[MIDDLE] = training.predict(board, joined(x_test), desk.device, batch=256)
scores[READERS.ceiling] = test.chance

colours = {SOURCES[name]: READERS.colours[READERS.classical] for name in SOURCES}
colours |= dict.fromkeys((EARLY, MIDDLE, LATE), READERS.colours[READERS.network])
colours |= READERS.colours
figure, ax = plt.subplots(figsize=(11, 3.9), layout="constrained")
for place, (name, score) in enumerate(scores.items()):
    interval = metrics.bootstrap(metrics.auroc, test.person, test.relapse, score, times=400)
    ax.plot([interval.low, interval.high], [place, place], color=colours[name], linewidth=3)
    ax.plot(interval.value, place, "o", color=colours[name], markersize=9)
    ax.text(interval.value, place + 0.22, f"{interval.value:.2f}", ha="center", color=colours[name])
ax.axvline(0.5, color=READERS.colours[READERS.trivial], linewidth=1, linestyle=":")
ax.set(title="AUC on the test patients, with its 95 % interval", xlim=(0.4, 1), ylim=(-0.5, 7.7))
ax.set_yticks(range(len(scores)), list(scores))
plt.show()

# %% [markdown] name="gain-words"
# ## Two intervals that overlap prove nothing
#
# In the picture the bars of the best source and of the board overlap. Is the gain luck? Both were
# judged on the *same* patients: a draw with easy patients is easy for both. So look at the
# **difference, draw by draw**.
#
# **Your turn.** `new` and `old` hold the AUC of two readers in the same draws, in the same order.
# Give back the lower and the upper end of the 95 % interval of the gain.
# `np.quantile(values, [0.025, 0.975])` gives the two ends.


# %% name="gain"
def gain(new, old):
    """The lower and the upper end of the gain of `new` over `old`, 95 of 100 draws."""
    # BEGIN SOLUTION
    return np.quantile(np.asarray(new) - np.asarray(old), [0.025, 0.975])
    # END SOLUTION


# %% name="check-gain"
page.check("gain")

# %% name="verdict" tags=["folded"]
ends = page.answer("gain", otherwise=cohort.gain)
classical = scores[SOURCES[best]]
lead = metrics.difference(metrics.auroc, test.person, test.relapse, scores[MIDDLE], classical)
rng = np.random.default_rng(seed)
draws = [metrics.draw_patients(test.person, rng) for _ in range(400)]
draws = [rows for rows in draws if 0 < test.relapse[rows].sum() < len(rows)]
new, old = (
    [metrics.auroc(test.relapse[rows], score[rows]) for rows in draws]
    for score in (scores[MIDDLE], classical)
)
low, high = ends(new, old)
page.reveal("pairs", 100 * metrics.auroc(test.relapse, scores[MIDDLE]))
print(f"The gain over the best single source is {lead.value:+.2f}, from {low:+.2f} to {high:+.2f}.")
print("Above zero: not luck." if low > 0 else "It reaches zero: this could be luck.")
way = metrics.difference(metrics.auroc, test.person, test.relapse, scores[MIDDLE], scores[LATE])
print(f"In the middle instead of late: {way.value:+.2f}, from {way.low:+.2f} to {way.high:+.2f}.")
page.claim("lead", lead.value)
page.claim("ceiling", metrics.auroc(test.relapse, test.chance))

# %% [markdown] name="missing-words"
# ## A source is missing
#
# No biopsy was taken. The film is in another hospital. What then? Four boards:
#
# - *early, zero*: the gaps are filled with the number 0 as it stands: an age of nought.
# - *early, usual*: filled with what is usual in the training patients.
# - *late*: the others vote.
# - *in the middle*: learnt with sources hidden.

# %% name="missing" tags=["folded"]
zero = {name: scaled(raw[name], np.zeros_like(raw[name][: len(test)])) for name in SOURCES}
rows = []
for gone in (None, *SOURCES):
    absent = {name: np.full_like(values, np.nan) for name, values in x_test.items()}
    seen = {name: absent[name] if name == gone else x_test[name] for name in SOURCES}
    nought = {name: zero[name] if name == gone else x_test[name] for name in SOURCES}
    votes = np.column_stack([said[1] for said in single.values()]).astype(float)
    if gone:
        votes[:, list(SOURCES).index(gone)] = np.nan
    said = {
        "early, zero": early.predict_proba(joined(nought))[:, 1],
        "early, usual": early.predict_proba(np.nan_to_num(joined(seen)))[:, 1],
        "late": vote(votes),
        "in the middle": training.predict(board, joined(seen), desk.device, batch=256),
    }
    label = f"without the {SOURCES[gone].lower()}" if gone else "all three"
    rows.append({"": label} | {k: metrics.auroc(test.relapse, v) for k, v in said.items()})
missing = pd.DataFrame(rows).set_index("").rename_axis(None)
given = np.mean(early.predict_proba(joined(x_test))[:, 1])
mad = np.mean(early.predict_proba(joined(x_test | {"table": zero["table"]}))[:, 1])
print(f"Mean risk by the early board: {given:.0%}. With a table of noughts: {mad:.0%}.")
print(f"In truth the disease came back in {np.mean(test.relapse):.0%}.")
page.claim("nought", abs(mad - np.mean(test.relapse)) - abs(given - np.mean(test.relapse)))
missing.style.format("{:.2f}")

# %% [markdown] name="missing-after"
# The order of patients (the AUC) survives a nought: it moves everybody alike. But the *risks* do not.
# With a table of noughts they are far from what happened, and the program gives no warning.
# **Missing is not zero.**

# %% [markdown] name="worst-words"
# ## The worst cases
#
# The disease came back in these, and the board gave them the lowest risk. Above each: what the board
# said, and the true chance. **In whom was the board wrong, and who was simply unlucky?**

# %% name="worst" tags=["folded"]
risk = 1 / (1 + np.exp(-scores[MIDDLE]))
came_back = np.flatnonzero(test.relapse == 1)
worst = came_back[np.argsort(risk[came_back])][:4]
figure, axes = plt.subplots(2, 4, figsize=(11, 5.6), layout="constrained")
for number, column in zip(worst, axes.T):
    column[0].imshow(test.films[test.film_of[number]], cmap="gray")
    column[1].imshow(test.pieces[test.piece_of[number]].transpose(1, 2, 0))
    column[0].set_title(f"board {risk[number]:.0%}, true chance {test.chance[number]:.0%}")
    age, pack_years, marker = test.table[number]
    column[1].set_title(f"{age:.0f} years, {pack_years:.0f} pack-years,\nmarker {marker:.1f}")
    for ax in column:
        ax.axis("off")
plt.show()

# %% [markdown] name="change-words"
# ## Change one thing
#
# Change **one** thing, then choose *Run → Run All Cells*. Write down what you expect, before you look.
#
# | change | ask yourself |
# |---|---|
# | another `seed` | Other patients, another rule of luck. Does the gain stay above zero? |
# | `hide=0.0` in the cell that trains | Which line of the last table suffers? |
# | fewer `epochs` | Is the board worse, or only unfinished? |

# %% [markdown] name="quiz-words"
# ## What have you learnt?
#
# Every answer is explained, also the wrong ones. Answer as often as you like.

# %% name="quiz"
page.quiz()

# %% [markdown] name="take-away"
# ## Take away
#
# - **A second source helps only where it knows something that the first does not.**
# - **Align before you join**: images by registration, everything else by the patient.
# - **Late is simple and robust; early and middle may weigh sources against each other.** Here they
#   differ little.
# - **Judge a gain by its own interval**, on the same patients.
# - **Missing is not zero.**
#
# And the limit: these patients are invented. Film, tissue and table were joined by lot, so each
# knows something of its own by construction. In real patients sources repeat each other, and the
# gain is smaller. The tissue comes from few people; nothing here speaks for another laboratory.

# %% name="finish"
page.finish()
