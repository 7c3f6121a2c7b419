# %% [markdown] name="card"
# # The coin that a computer could foretell
#
# **Deal patients, not pictures: who has met a patient before does not read, but remembers.**
#
# In the next hour you will
#
# 1. watch a reader foretell the toss of a coin from a brain scan,
# 2. find out how it cheats, and by how much,
# 3. deal the patients so that it cannot,
# 4. catch a second leak that has nothing to do with pictures,
# 5. set a floor under every number that you will ever read.
#
# You need no programming. Click on a cell and press **Shift + Enter** to run it, from top to bottom.
# Some cells are folded: a click on the three dots shows their code.

# %% name="imports"
import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy import ndimage
from scipy.spatial.distance import cdist

from course_kit import READERS, metrics, open_page
from dicom_catalog import Catalog
from dicom_catalog.viewing import look

page = open_page("04_splits", globals())

# %% [markdown] name="parameters-words"
# These settings are all that you will ever need to change. Leave them for the first run.

# %% name="parameters" tags=["parameters"]
dataset = "brain-mr"  # which scans; the catalog knows their names
size = 24  # pixels along each side of what the reader compares
slices = 12  # how many slices of each patient we take, around the middle
deals = 200  # how often we shuffle and deal anew
seed = 1  # the same seed deals the same cards

# %% [markdown] name="desk-words"
# ## Your desk
#
# You work in a container: a desk of your own on a shared machine. First we ask what it may use.

# %% name="desk"
desk = page.desk()

# %% [markdown] name="story"
# ## A sensation
#
# A colleague has taught a computer to read brain scans. For each patient somebody tossed a coin and
# wrote down *heads* or *tails*. The computer sees a slice, and says which it was.
#
# It is right far more often than chance. The colleague has written a paper.
#
# Nobody can see a coin in a brain. So something is wrong. You are the reviewer.

# %% name="scans"
scans = Catalog()[dataset].where(sequence="FLAIR")
scans

# %% [markdown] name="first-look-words"
# Here are three patients, each with four slices that lie side by side. Look along a row, then down a
# column. **What is more alike: two slices of one patient, or the same slice of two patients?**


# %% name="first-look"
def middle(series, count):
    """The slices around the middle of one patient's scan, grey from 0 to 1."""
    volume = series.array().astype(float)
    first = max(0, len(volume) // 2 - count // 2)
    return np.clip(volume[first : first + count] / np.percentile(volume, 99.5), 0, 1)


figure, axes = plt.subplots(3, 4, figsize=(11, 8.4), layout="constrained")
for row, series in zip(axes, scans.series):
    for ax, grey in zip(row, middle(series, 4)):
        ax.imshow(grey, cmap="gray", vmin=0, vmax=1)
        ax.axis("off")
    row[0].set_title(f"Patient {series.patient_id}", fontsize=10)
plt.show()

# %% [markdown] name="predict-words"
# ### Predict before you run
#
# Take one slice of a *heads* patient and one of a *tails* patient. The computer must say which is
# which. Chance alone gets 50 of 100 such pairs right.
#
# **How many of 100 pairs did the colleague's computer get right?** Set the slider.

# %% name="predict"
page.predict("pairs", 50, 100, 60, step=1)

# %% [markdown] name="viewer-words"
# ## Look
#
# Scroll through one patient. See how little changes from slice to slice. Then go to the next.

# %% name="viewer"
look(scans)

# %% [markdown] name="slices-words"
# Now we take the slices out of every patient, and shrink each to a small square of numbers.
# And we toss the coin, once for each *patient*.


# %% name="slices"
def small(series):
    """The middle slices of one patient, each as a small square."""
    grey = middle(series, slices)
    return ndimage.zoom(grey, (1, size / grey.shape[1], size / grey.shape[2]), order=1)


full = np.concatenate([middle(series, slices) for series in scans.series]).astype("float32")
x = np.concatenate([small(series) for series in scans.series])
patients = np.concatenate([[one.patient_id] * len(small(one)) for one in scans.series])
names = np.unique(patients)


def toss(rng):
    """Heads (1) or tails (0) for each patient, as many of one as of the other, for each slice."""
    coins = rng.permutation(np.arange(len(names)) % 2)
    return coins[np.searchsorted(names, patients)]


coin = toss(np.random.default_rng(seed))
print(
    f"{len(x)} slices of {len(names)} different patients; {coin.mean():.0%} of the slices bear heads"
)

# %% [markdown] name="floor-words"
# ## The floor: who never looks
#
# Before we ask what a reader can do, we ask what somebody can do who **looks at nothing**. He counts
# in the training pile which answer is more common, and says that one, always. Where nine of ten
# patients are healthy he is right nine times of ten. So being right often proves nothing.
#
# **Your turn.** `common` must be 1 where the finding is in more than half of the training slices,
# else 0. The last line counts how often that is right in the test.


# %% name="majority"
def majority(y_train, y_test):
    """How often somebody is right in the test who always says what was more common in training."""
    # BEGIN SOLUTION
    common = int(np.mean(y_train) > 0.5)
    # END SOLUTION
    return float(np.mean(np.asarray(y_test) == common))


# %% name="check-majority"
page.check("majority")

# %% name="floor"
majority = page.answer(
    "majority", otherwise=lambda one, other: np.mean(other == (np.mean(one) > 0.5))
)
rare = np.random.default_rng(seed).random(1000) < 0.1
often = majority(rare[:500], rare[500:])
print(f"A rare disease, and somebody who never looks: right in {often:.0%} of cases")
print(f"His AUC: {metrics.auroc(rare, np.zeros(len(rare))):.2f}, for he puts nobody before another")
print("The ceiling, for a coin of a new patient: 0.50, for nobody can know it")
page.claim("floor", metrics.auroc(rare, np.zeros(len(rare))))

# %% [markdown] name="reader-words"
# ## The reader
#
# Here is all that the colleague's computer does. For each test slice it looks for the **most similar
# slice of the training pile**, and says what was written there. It has learnt nothing about brains.
# It has a good memory.
#
# First we do what the colleague did: shuffle all *slices*, and put a third of them into the test.

# %% name="reader"
flat = x.reshape(len(x), -1)
flat = (flat - flat.mean(axis=1, keepdims=True)) / flat.std(axis=1, keepdims=True)
unlike = cdist(flat, flat)  # how different each slice is from each other one


def read(test, y):
    """The answer to each test slice, and which training slice it was copied from."""
    known = np.flatnonzero(~test)
    nearest = known[unlike[np.ix_(test, ~test)].argmin(axis=1)]
    return y[nearest], nearest


def by_slice(rng, share=1 / 3):
    """A third of the slices, drawn without looking whose they are; True: in the test."""
    test = np.zeros(len(x), dtype=bool)
    test[rng.permutation(len(x))[: round(share * len(x))]] = True
    return test


test = by_slice(np.random.default_rng(seed))
answers, copied = read(test, coin)
leaky = metrics.auroc(coin[test], answers)
print(f"AUC of the coin: {leaky:.2f}")
page.reveal("pairs", 100 * leaky)

# %% [markdown] name="cheat-words"
# ## How it cheats
#
# A reviewer asks to see. Above: six test slices. Below each: the training slice it was copied from.
# **Whose is it?** Where both are of one patient, the name is red.

# %% name="cheat" tags=["folded"]
shown = np.random.default_rng(seed).choice(len(answers), 6, replace=False)
figure, axes = plt.subplots(2, 6, figsize=(11, 4.4), layout="constrained")
for column, number in zip(axes.T, shown):
    own = np.flatnonzero(test)[number]
    for ax, which in zip(column, (own, copied[number])):
        same = patients[copied[number]] == patients[own]
        ax.imshow(full[which], cmap="gray", vmin=0, vmax=1)
        ax.set_title(patients[which], fontsize=10, color="#dc2626" if same else "#334155")
        ax.axis("off")
plt.show()

# %% [markdown] name="leaked-words"
# It recognises the *patient*, and remembers his coin. This is **leakage**: something helps in the
# test that will not be there with a new patient.
#
# **Your turn.** How many test slices could be read that way? `train` and `test` hold the patient of
# each slice. Give the share (from 0 to 1) of the test slices whose patient is in training, too.


# %% name="leaked"
def leaked(train, test):
    """The share of test slices whose patient is also in training."""
    # BEGIN SOLUTION
    return float(np.mean(np.isin(test, train)))
    # END SOLUTION


# %% name="check-leaked"
page.check("leaked")

# %% name="leaked-here" tags=["folded"]
leaked = page.answer("leaked", otherwise=lambda one, other: float(np.mean(np.isin(other, one))))
print(f"Test slices whose patient is in training: {leaked(patients[~test], patients[test]):.0%}")
met = np.mean(patients[copied] == patients[test])
print(f"Test slices that were copied from their own patient: {met:.0%}")

# %% [markdown] name="deal-words"
# ## Deal patients
#
# The cure is old and simple. We shuffle the *patients*, and each goes into one pile with all slices.
#
# **Your turn.** `chosen` are the patients who go into the test. Give back, for each slice, True
# where its patient is one of them, else False.


# %% name="deal"
def deal(patients, share, seed):
    """Which slices go into the test: all of some patients, none of the others."""
    names = np.random.default_rng(seed).permutation(np.unique(patients))
    chosen = names[: round(share * len(names))]
    # BEGIN SOLUTION
    return np.isin(patients, chosen)
    # END SOLUTION


# %% name="check-deal"
page.check("deal")


# %% name="dealt" tags=["folded"]
def whole_patients(patients, share, seed):
    names = np.random.default_rng(seed).permutation(np.unique(patients))
    return np.isin(patients, names[: round(share * len(names))])


deal = page.answer("deal", otherwise=whole_patients)
test = deal(patients, 1 / 3, seed)
both = set(patients[test]) & set(patients[~test])
print(f"Patients in both piles: {len(both)}")
page.claim("both", len(both))

# %% [markdown] name="judge-words"
# ## Judge: many deals
#
# One deal is luck. So we toss and deal again and again, in both ways, and look at all the results.
#
# **Predict:** where will the middle of each heap lie?

# %% name="judge"
rounds = []
for number in range(deals):
    rng = np.random.default_rng(1000 + number)
    y = toss(rng)
    for how, test in (("slices", by_slice(rng)), ("patients", deal(patients, 1 / 3, number))):
        if 0 < y[test].mean() < 1:  # with heads and tails, else there are no pairs
            answers, copied = read(test, y)
            met = np.mean(patients[copied] == patients[test])
            rounds.append((how, metrics.auroc(y[test], answers), met))
rounds = pd.DataFrame(rounds, columns=["dealt", "AUC", "met"])
mean = rounds.groupby("dealt").mean()
page.claim("slices", mean.AUC["slices"])
page.claim("patients", mean.AUC["patients"])
mean.style.format("{:.2f}")

# %% name="judge-picture" tags=["folded"]
figure, ax = plt.subplots(figsize=(11, 3.6), layout="constrained")
bins = np.linspace(0.1, 1, 46)
DEALT = {"slices": "slices were dealt", "patients": "patients were dealt"}
for how, colour in (("slices", "#dc2626"), ("patients", READERS.colours[READERS.network])):
    heap = rounds[rounds.dealt == how].AUC
    ax.hist(heap, bins, color=colour, alpha=0.75, label=f"{DEALT[how]}: {heap.mean():.2f}")
ax.axvline(0.5, color=READERS.colours[READERS.trivial], linewidth=2, linestyle=":")
ax.set(title="AUC of the coin, in many deals", xlabel="AUC", yticks=[])
ax.legend(loc=2)
plt.show()

# %% [markdown] name="amount-words"
# ### By how much
#
# The leak adds a **known amount**. A slice that was copied from its own patient is always right. All
# others are right half the time, by chance. So with a share *q* of slices that met their patient,
#
# AUC = 0.5 + q / 2
#
# Each dot below is one deal. The line is the formula; nobody fitted it.

# %% name="amount"
expected = 0.5 + rounds.met / 2
gap = abs((rounds.AUC - expected)[rounds.dealt == "slices"].mean())
page.claim("amount", gap)
figure, ax = plt.subplots(figsize=(11, 4), layout="constrained")
for how, colour in (("slices", "#dc2626"), ("patients", READERS.colours[READERS.network])):
    part = rounds[rounds.dealt == how]
    ax.plot(part.met, part.AUC, "o", color=colour, alpha=0.35, label=DEALT[how])
ax.plot([0, 1], [0.5, 1], color="#334155", linewidth=2, label="0.5 + q / 2")
ax.set(title="What recognising patients is worth", xlabel="q: share that met its patient")
ax.set(ylabel="AUC of the coin", xlim=(-0.03, 1.03), ylim=(0.1, 1.03))
ax.legend(loc=4)
plt.show()

# %% [markdown] name="game-words"
# ## The patient-overlap game
#
# You deal whole patients, but somebody is careless: of some test patients half of the slices slip
# into training. Move the slider. **How many careless patients does it take to make a paper?**


# %% name="game" tags=["folded"]
def careless(count, number):
    """AUC of the coin when `count` test patients have half of their slices in training."""
    rng = np.random.default_rng(2000 + number)
    y, test = toss(rng), whole_patients(patients, 1 / 3, number)
    slipped = np.isin(patients, np.unique(patients[test])[:count]) & (np.arange(len(x)) % 2 == 0)
    test = test & ~slipped
    return metrics.auroc(y[test], read(test, y)[0]) if 0 < y[test].mean() < 1 else np.nan


most = round(len(names) / 3)
curve = [np.nanmean([careless(count, n) for n in range(deals // 2)]) for count in range(most + 1)]
slider = widgets.IntSlider(0, 0, most)
bar = widgets.FloatProgress(curve[0], min=0, max=1)
told = widgets.Label()


def tell(_=None):
    bar.value = curve[slider.value]
    told.value = f"AUC {bar.value:.2f}"


slider.observe(tell, "value")
tell()
figure, ax = plt.subplots(figsize=(11, 3), layout="constrained")
ax.plot(range(most + 1), curve, "o-", color="#dc2626", linewidth=2)
ax.axhline(0.5, color=READERS.colours[READERS.trivial], linewidth=2, linestyle=":")
ax.set(title="What carelessness is worth", xlabel="careless patients in the test", ylabel="AUC")
plt.show()
widgets.VBox([slider, widgets.HBox([bar, told])])

# %% [markdown] name="choose-words"
# ## A second leak, without any picture
#
# A package measures two thousand things of each patient. Most mean nothing. So one chooses the
# few that differ most between the two kinds of patients, and lets a reader weigh them.
#
# We put **pure noise** in their place: numbers of a random generator. And a coin for the answer.
#
# **Your turn.** `choose` compares *all* patients, also those of the test. `train` is True for the
# patients of training. Add the one line that keeps `x` and `y` of these alone.


# %% name="choose"
def choose(x, y, train, count):
    """The measurements that differ most between the two kinds of patients."""
    # BEGIN SOLUTION
    x, y = x[train], y[train]
    # END SOLUTION
    difference = np.abs(x[y == 1].mean(axis=0) - x[y == 0].mean(axis=0))
    return np.argsort(-difference)[:count]


# %% name="check-choose"
page.check("choose")


# %% name="noise" tags=["folded"]
def noisy(number, peek):
    """AUC of the coin from chosen noise; with `peek` they are chosen on all patients."""
    rng = np.random.default_rng(3000 + number)
    noise, y = rng.normal(size=(60, 2000)), rng.permutation(np.arange(60) % 2)
    train = np.arange(60) < 40
    seen = np.ones(60, dtype=bool) if peek else train
    difference = noise[seen & (y == 1)].mean(axis=0) - noise[seen & (y == 0)].mean(axis=0)
    best = np.argsort(-np.abs(difference))[:20]
    ours = noise[train & (y == 1)].mean(axis=0) - noise[train & (y == 0)].mean(axis=0)
    return metrics.auroc(y[~train], noise[~train][:, best] @ ours[best])


peeked = np.mean([noisy(number, True) for number in range(deals // 2)])
honest = np.mean([noisy(number, False) for number in range(deals // 2)])
print(f"Chosen on all patients:       AUC {peeked:.2f}")
print(f"Chosen on training patients:  AUC {honest:.2f}")
page.claim("peeked", peeked)
page.claim("honest", honest)

# %% [markdown] name="worst-words"
# ## The worst case: one patient, one number
#
# Even with whole patients, a few patients can be lucky. So we give an interval: we draw *patients* again and
# again, putting each back. Below it is the interval that you get when you draw *slices*, as if they
# were separate witnesses. **Which one would you rather publish? Which is true?**


# %% name="interval"
def width(interval):
    return interval.high - interval.low


widths = []
for number in range(1, 13):
    rng = np.random.default_rng(4000 + number)
    y, test = toss(rng), deal(patients, 1 / 3, number)
    if 0.2 < y[test].mean() < 0.8:
        answers, _ = read(test, y)
        how = {"times": 200, "seed": seed}
        right = metrics.bootstrap(metrics.auroc, patients[test], y[test], answers, **how)
        wrong = metrics.bootstrap(metrics.auroc, np.arange(test.sum()), y[test], answers, **how)
        widths.append((width(right), width(wrong)))
honest_width, false_width = np.mean(widths, axis=0)
print(f"The last of these deals, drawing patients: {right}")
print(f"The same deal, drawing slices: {wrong}")
print(f"On average the honest interval is {honest_width / false_width:.1f} times as wide.")
page.claim("wider", honest_width / false_width)

# %% [markdown] name="change-words"
# ## Change one thing
#
# Change **one** setting in the cell near the top, then choose *Run → Run All Cells*.
# Write down what you expect, before you look.
#
# | change | ask yourself |
# |---|---|
# | `slices = 4` | Neighbours grow rare. Does the reader still recognise its patients? |
# | `size = 6` | So coarse that you know nobody. And the reader? |
# | `seed = 2` | Other coins. What stays? |

# %% [markdown] name="quiz-words"
# ## Quiz
#
# Each answer is explained, right or wrong, and you may try as often as you like.

# %% name="quiz"
page.quiz()

# %% [markdown] name="take-away"
# ## Take away
#
# - **Deal patients, not pictures**, and prove that none is in two piles.
# - **Toss a coin.** Put coins in place of your answers and run everything again. What is above chance
#   now is leakage.
# - **Choose on training alone**, whatever you choose: measurements, windows, networks, thresholds.
# - **Set a floor.** Often right is not yet read.
#
# And the limit: a coin finds what helps *without* the disease. It does not find a mark that comes
# *with* the disease, such as a ruler beside each tumour. For that you must look.

# %% name="limits"
print(f"{scans.card.title} ({scans.name}, version {scans.version})")
for line in scans.card.limits:
    print("•", line)

# %% [markdown] name="finish-words"
# ## Done
#
# Here is what you have reached. Your instructor sees it only if you say so.

# %% name="finish"
page.finish()
