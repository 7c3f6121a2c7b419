# %% [markdown] name="card"
# # One chest film, one question
#
# **A classifier is only as good as what it beats, on patients it has not seen.**
#
# In the next hour you will
#
# 1. look at films through different windows,
# 2. set two simple readers to work, so that there is something to beat,
# 3. train a network and watch it learn,
# 4. judge all three on patients whom none of them has met,
# 5. look the worst mistakes in the eye.
#
# You need no programming. Click on a cell and press **Shift + Enter** to run it, from top to bottom.
# Some cells are folded: a click on the three dots shows their code.

# %% name="imports"
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.patches import Circle
from monai.data import ArrayDataset, DataLoader
from monai.networks.blocks import Convolution
from monai.transforms import Compose, RandAffine, RandFlip
from monai.utils import set_determinism
from scipy import ndimage
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from course_kit import READERS, metrics, open_page, training
from dicom_catalog import Catalog
from dicom_catalog.viewing import look

page = open_page("05_classification", globals())

# %% [markdown] name="parameters-words"
# These five settings are all that you will ever need to change. Leave them for the first run.

# %% name="parameters" tags=["parameters"]
dataset = "chest-film"  # which films; the catalog knows their names
size = 64  # pixels along each side of what the network sees
epochs = 40  # how often the network goes through all training films
seconds = 100  # training stops after this time, finished or not
seed = 1  # the same seed deals the same cards

# %% [markdown] name="desk-words"
# ## Your desk
#
# You work in a container: a desk of your own on a shared machine. First we ask what it may use.

# %% name="desk"
desk = page.desk()

# %% name="settings" tags=["folded"]
set_determinism(seed)
TRIVIAL, CLASSICAL, NETWORK = READERS.trivial, READERS.classical, READERS.network
COLOURS = READERS.colours

# %% [markdown] name="story"
# ## The question
#
# A radiologist reads film after film, and each time asks: *is it there, or not?*
# Here are the films, and the question that they are sorted by.

# %% name="films"
films = Catalog()[dataset]
films

# %% [markdown] name="first-look-words"
# Here are eight of them. The upper row has **the finding** that we look for, the lower row has not.

# %% name="first-look"
train, validation, test = (films.split(name) for name in ("train", "validation", "test"))
finding = films.classes[-1]  # what we look for
NAMES = {label: films.card.target.name(label) for label in films.classes}


def picture(ax, grey, title=""):
    """One film, grey from 0 (black) to 1 (white)."""
    ax.imshow(grey, cmap="gray", vmin=0, vmax=1)
    ax.set_title(title, fontsize=10)
    ax.axis("off")


with_it = [i for i in range(len(train)) if train[i].label == finding]
without = [i for i in range(len(train)) if train[i].label != finding]
figure, axes = plt.subplots(2, 4, figsize=(11, 5.8), layout="constrained")
for row, numbers in zip(axes, (with_it, without)):
    for ax, number in zip(row, numbers):
        picture(ax, train[number].windowed(), NAMES[train[number].label])
plt.show()

# %% [markdown] name="predict-words"
# ### Predict before you run
#
# Take any film from the upper row and any from the lower row. A reader must say which is which.
# Chance alone gets 50 of 100 such pairs right.
#
# **How many of 100 pairs will the network get right?** Set the slider. Nobody sees it but you.

# %% name="predict"
page.predict("pairs", 50, 100, 75, step=1)

# %% [markdown] name="window-words"
# ## Look: window and level
#
# A film may hold thousands of greys. Your screen shows 256, and your eye tells fewer apart.
# So we choose a **window**: the part of the scale that is spread from black to white.
# The **level** is its middle.
#
# **Predict:** when the window is narrow, what do you lose?
#
# <details><summary>Answer</summary>All that lies outside: it is plain black or plain white, and no
# longer there for you. Two windows can give two diagnoses.</details>

# %% [markdown] name="level-words"
# **Your turn.** Below is the rule in code, but for one line. It gets `grey`, a table of numbers, the
# `level` and the `width` of the window. It gives 0 for black, 1 for white, and in between what lies
# in between. What is darker than the window stays black, what is brighter stays white.
#
# Replace the dots by your answer, run the cell, then the one below it. There are hints.


# %% name="window"
def window(grey, level, width):
    """The greys of a window, from 0 (black) to 1 (white)."""
    darkest = level - width / 2
    # BEGIN SOLUTION
    return np.clip((grey - darkest) / width, 0, 1)
    # END SOLUTION


# %% name="check-window"
page.check("window")

# %% name="windows"
film = next(train[i] for i in with_it if train[i].photometric == "MONOCHROME2")
print(f"This film holds {len(np.unique(film.pixels)):,} different greys.")
level, wide = film.window
dark, middle, bright = np.percentile(film.values, [20, 50, 80])
choices = {
    "The film's own window": (level, wide),
    "A low level opens the dark": (dark, wide * 0.4),
    "A high level opens the bright": (bright, wide * 0.4),
    "A narrow window: all or nothing": (middle, wide * 0.1),
}
figure, axes = plt.subplots(1, 4, figsize=(11, 3.3), layout="constrained")
for ax, (title, (center, width)) in zip(axes, choices.items()):
    picture(ax, film.windowed(center, width), title)
plt.show()

# %% [markdown] name="viewer-words"
# Now you. Move **level** and **window**, and go through the films with **image**.
# Find one where you would not have guessed the answer.

# %% name="viewer"
look(train, size=420, marks=False)

# %% [markdown] name="split-words"
# ## Three piles of patients
#
# The network learns from the **training** patients. On the **validation** patients we watch it
# learn. The **test** patients stay in the drawer until the end.
#
# We deal out *patients*, not films. Two films of one person look alike. If one were in training
# and the other in the test, the network could recognise the person instead of the disease.
#
# **Your turn.** Write the rule that finds patients who are in two piles. It gets two lists of
# patients, and gives back how many patients are in both. A patient counts once, however many films.


# %% name="overlap"
def overlap(one, other):
    """How many different patients are in both lists."""
    # BEGIN SOLUTION
    return len(set(one) & set(other))
    # END SOLUTION


# %% name="check-overlap"
page.check("overlap")


# %% name="split" tags=["folded"]
def pile(part):
    """How many patients and films a pile has, and how many films with the finding."""
    with_finding = int((part.table()[films.target] == finding).sum())
    return {"patients": len(part.patients), "films": len(part), NAMES[finding]: with_finding}


overlap = page.answer("overlap", otherwise=lambda one, other: len(set(one) & set(other)))
both = overlap(train.patients, test.patients) + overlap(validation.patients, test.patients)
print(f"Test patients who are in another pile as well: {both}")
page.claim("both", both)
piles = {"training": train, "validation": validation, "test": test}
pd.DataFrame({name: pile(part) for name, part in piles.items()}).T

# %% [markdown] name="arrays-words"
# For a computer a film is a table of numbers. We shrink each to the same small square.


# %% name="arrays"
def as_numbers(part):
    """The films of a pile, 0 (black) to 1 (white); 1 where the finding is, else 0; the patients."""
    x, labels = part.arrays(size=size)
    y = (labels == films.classes.index(finding)).astype(int)
    return x[:, :1], y, part.table()["patient_id"].to_numpy()


x_train, y_train, _ = as_numbers(train)
x_validation, y_validation, _ = as_numbers(validation)
x_test, y_test, patients = as_numbers(test)
print(f"Training: {x_train.shape[0]} films, each of {size} × {size} numbers")

# %% [markdown] name="even-words"
# The heart is bright, the lung is dark, and what we look for may lie in either. So we **even out**
# each film: around every point we take away the brightness of its neighbourhood, and divide by how
# much it varies there. Radiologists' workstations do something alike.
#
# Then we take away the average of all training films. What is left is what is *unusual* here.
#
# Above the films as they were, in the middle evened out, below what is unusual in them.


# %% name="even"
def even_out(x):
    """Films with the same contrast everywhere, grey around 0."""
    wide, wider = size / 16, size * 6 / 64
    x = x - ndimage.gaussian_filter(x, (0, 0, wide, wide))
    return x / (np.sqrt(ndimage.gaussian_filter(x * x, (0, 0, wider, wider))) + 0.03)


even = even_out(x_train)
usual, spread = even.mean(axis=0), even.std(axis=0) + 0.1


def unusual(x):
    """What differs in films from the average training film, in units of what is normal there."""
    return (even_out(x) - usual) / spread


odd_train, odd_validation, odd_test = map(unusual, (x_train, x_validation, x_test))
figure, axes = plt.subplots(3, 4, figsize=(11, 8.2), layout="constrained")
for column, number in zip(axes.T, with_it):
    picture(column[0], x_train[number, 0])
    picture(column[1], even[number, 0] / 5 + 0.5)
    picture(column[2], odd_train[number, 0] / 8 + 0.5)
plt.show()

# %% [markdown] name="floor-words"
# ## The floor: two simple readers
#
# Before we build something clever, we ask what something simple can do.
#
# **The trivial reader** never looks. Each film gets the same score.
#
# **The classical reader** looks with rules that people wrote down: how bright, how uneven, how
# different left from right, how strong its roundest spots at four sizes. A weighted sum of these
# makes the score. Learning, here, is to find the weights.


# %% name="classical"
def features(x):
    """What the classical reader measures on each film: seven numbers."""
    rows = []
    for film in x[:, 0]:
        row = [film.mean(), film.std(), np.abs(film - film[:, ::-1]).mean()]
        for radius in (1, 2, 3, 4):
            blob = -ndimage.gaussian_laplace(film, radius * size / 64) * radius**2
            row.append(blob[size // 8 : -size // 8, size // 8 : -size // 8].max())
        rows.append(row)
    return np.array(rows)


classical = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
classical.fit(features(odd_train), y_train)
print(f"The classical reader weighs {features(odd_train[:1]).shape[1]} measurements of each film.")

# %% [markdown] name="auc-words"
# ### How we keep score
#
# Take one film with the finding and one without. Did the first get the higher score?
# Ask this of *every* such pair. The share of right answers is the **AUC**.
# 0.5 is chance, 1 is perfect. It asks for no threshold, so no reader gains by being bold.
#
# **Your turn.** `having` holds the scores of the films with the finding, `free` those of the others;
# `wins` is the share of pairs in which the first is higher. A **draw** counts half. Add the draws.


# %% name="auc"
def auc(truth, score):
    """The share of pairs in which the film with the finding scores higher; a draw counts half."""
    truth, score = np.asarray(truth), np.asarray(score)
    having, free = score[truth == 1][:, None], score[truth == 0]
    wins = np.mean(having > free)
    # BEGIN SOLUTION
    return float(wins + np.mean(having == free) / 2)
    # END SOLUTION


# %% name="check-auc"
page.check("auc")

# %% name="floor"
auc = page.answer("auc", otherwise=metrics.auroc)
trivial_score = np.zeros(len(y_validation))
classical_score = classical.decision_function(features(odd_validation))
floor = auc(y_validation, classical_score)
print(f"Trivial reader     {auc(y_validation, trivial_score):.2f}")
print(f"Classical reader   {floor:.2f}   (on the validation patients)")
page.claim("chance", auc(y_validation, trivial_score))

# %% [markdown] name="build-words"
# ## Build the network
#
# Nobody writes down rules for the network. It gets four layers. Each looks at a small
# neighbourhood of the layer before, and each may invent its own patterns: first edges, then
# curves, then shapes. Between the layers the film is halved, so that later ones see more at once.
#
# The score of the film is a weighted sum: how much there is of each of the last 48 patterns, and
# how strong each is at its strongest place. Weighed place by place, the same patterns make a coarse
# **map of suspicion**. So the network can also tell us *where* it looked.


# %% name="build"
def layer(seen, made):
    """Patterns from the layer before, evened out (normalised), negatives cut off (ReLU)."""
    return Convolution(2, seen, made, kernel_size=3, norm="BATCH", act="RELU")


half = torch.nn.MaxPool2d(2)  # half as wide and high: the strongest of each four places
layers = torch.nn.Sequential(layer(1, 12), half, layer(12, 24), half, layer(24, 48), half)
layers.append(layer(48, 48))
weigh = torch.nn.Linear(2 * 48, 1)
network = torch.nn.ModuleList([layers, weigh]).to(desk.device)


def film_score(patterns):
    """The score of each film: how much of each pattern, and how strong, in a weighted sum."""
    found = torch.cat([patterns.mean((2, 3)), patterns.amax((2, 3))], dim=1)
    # While it learns, a fifth is left out at random, so that it does not rely on one pattern.
    found = torch.nn.functional.dropout(found, 0.2, training=network.training)
    return weigh(found)[:, 0]


def suspicion_map(patterns):
    """How suspicious each place of each film is: the same weighted sum, place by place."""
    much, strong = weigh.weight[0].split(48)
    return torch.einsum("c,ncyx->nyx", much / patterns[0, 0].numel() + strong, patterns)


weights = sum(weight.numel() for weight in network.parameters())
print(f"{weights:,} weights to be learnt, from {len(x_train)} films")

# %% [markdown] name="augment-words"
# ### The same film, never twice the same
#
# We have few films. So each time the network meets one, we move it a little: shifted, and
# sometimes mirrored. The answer stays the same, and the network learns what does not matter.
# Below, one film five times.
#
# **Predict:** for which question would mirroring a chest film be a mistake?
#
# <details><summary>Answer</summary>For each question about a side: a heart on the right, a tube in
# the wrong main bronchus, a wrong letter on the film.</details>

# %% name="augment"
augment = Compose(
    [
        RandFlip(prob=0.5, spatial_axis=1),
        RandAffine(
            prob=1,
            translate_range=(size / 20, size / 20),
            padding_mode="border",
        ),
    ]
)
augment.set_random_state(seed)
figure, axes = plt.subplots(1, 5, figsize=(11, 2.4), layout="constrained")
for ax in axes:
    picture(ax, np.asarray(augment(odd_train[with_it[0]]))[0] / 8 + 0.5)
plt.show()


# %% name="train-tools" tags=["folded"]
class Reader(torch.nn.Module):
    """What is trained: films in, one score each out."""

    def __init__(self):
        super().__init__()
        self.parts = network

    def forward(self, x):
        return film_score(layers(x))


reader = Reader()


def look_at(x, what):
    """What the network makes of some films: `film_score` or `suspicion_map`."""
    network.eval()
    with torch.inference_mode():
        parts = torch.as_tensor(np.asarray(x)).split(64)
        return torch.cat([what(layers(part.to(desk.device))) for part in parts]).cpu().numpy()


# %% [markdown] name="train-words"
# ## Train, live
#
# The network guesses. We tell it how wrong it was. It shifts each weight a little towards less
# wrong. That is all, many times over. One pass through all training films is an **epoch**.
#
# Left you see how wrong it is (the *loss*). Right you see its AUC on the validation patients.
# The dashed line is the classical reader. **When will the network pass it?**
# The button *Stop* ends it early; what has been learnt is kept.

# %% name="train"
loader = DataLoader(ArrayDataset(odd_train, augment, y_train), batch_size=16, shuffle=True)
balance = torch.tensor((y_train == 0).sum() / (y_train == 1).sum(), device=desk.device)
wrongness = torch.nn.BCEWithLogitsLoss(pos_weight=balance)

history = training.fit(
    reader,
    loader,
    loss=lambda score, y: wrongness(score, y.float()),
    validate=lambda _: auc(y_validation, look_at(odd_validation, film_score)),
    metric="AUC",
    lines={CLASSICAL: floor},
    optimizer=torch.optim.AdamW(network.parameters(), weight_decay=0.01),
    lr=4e-3,
    epochs=epochs,
    seconds=seconds,
    device=desk.device,
)

# %% [markdown] name="judge-words"
# ## Judge: open the drawer
#
# Now the test patients, once. But they are few: with other patients the numbers would be other
# numbers. How other? We draw patients out of the drawer again and again, putting each back (the
# **bootstrap**), and look how far the AUC wanders. The range that holds 95 of 100 draws is the
# interval. We draw *patients*, since films of one patient are not separate witnesses.
#
# **Predict:** will the interval of the network overlap that of the classical reader?

# %% name="judge"
scores = {
    TRIVIAL: np.zeros(len(y_test)),
    CLASSICAL: classical.decision_function(features(odd_test)),
    NETWORK: look_at(odd_test, film_score),
}
intervals = {
    name: metrics.bootstrap(auc, patients, y_test, score, seed=seed)
    for name, score in scores.items()
}
lead = metrics.difference(auc, patients, y_test, scores[NETWORK], scores[CLASSICAL], seed=seed)
results = pd.DataFrame(
    {name: [one.value, one.low, one.high] for name, one in intervals.items()},
    index=["AUC", "from", "to"],
).T
results.style.format("{:.2f}")

# %% name="judge-picture" tags=["folded"]
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
for place, (name, row) in enumerate(results.iterrows()):
    left.plot([row["from"], row["to"]], [place, place], color=COLOURS[name], linewidth=3)
    left.plot(row["AUC"], place, "o", color=COLOURS[name], markersize=10)
    left.text(row["AUC"], place + 0.15, f"{row['AUC']:.2f}", ha="center", color=COLOURS[name])
    false_alarms, found, _ = metrics.roc(y_test, scores[name])
    right.plot(false_alarms, found, color=COLOURS[name], linewidth=2, label=name)
left.set(
    title="AUC on the test patients, with its 95 % interval",
    xlim=(min(0.4, results.min(axis=None) - 0.05), 1.03),
    ylim=(-0.5, 2.6),
    yticks=range(3),
    yticklabels=results.index,
)
left.axvline(0.5, color=COLOURS[TRIVIAL], linewidth=1, linestyle=":")
right.set(
    title="What each threshold costs",
    xlabel="false alarms among films without it",
    ylabel="found among films with it",
    aspect="equal",
)
right.legend(loc=4)
plt.show()

# %% name="verdict" tags=["folded"]
print(f"The network gets {100 * intervals[NETWORK].value:.0f} of 100 pairs right.")
page.reveal("pairs", 100 * intervals[NETWORK].value)
print(
    f"Its lead over the classical reader: {lead.value:+.2f} "
    f"(95 % interval {lead.low:+.2f} to {lead.high:+.2f})."
)
if lead.low > 0:
    print("The interval of the lead is above zero: it beats the classical reader on such patients.")
else:
    print("The interval of the lead reaches zero: these patients do not show that it is better.")
page.claim("lead", lead.value)
page.claim("network", intervals[NETWORK].value)

# %% [markdown] name="worst-words"
# ## The worst cases
#
# An average hides its patients. So look at those with whom the network did worst. The upper row
# has the finding and got the lowest scores, the lower row has it not and got the highest.
#
# Orange rings the place that the network suspected most. Dashed blue rings the truth, where the
# data set knows it. Above each film: what it is, and how many of 100 test films it outscored.
#
# **What did it fall for?** Which of these would *you* have got right?

# %% name="worst"
suspicion = look_at(odd_test, suspicion_map)
truth_known = {"center_row", "center_column", "diameter_mm"} <= set(films.label_columns)


def rings(ax, number):
    """The most suspected place of a test film, and the truth where it is known."""
    film = test[number]
    step = size / suspicion.shape[1]
    row, column = np.unravel_index(suspicion[number].argmax(), suspicion[number].shape)
    spot = ((column + 0.5) * step, (row + 0.5) * step)
    ax.add_patch(Circle(spot, size / 12, fill=False, color="#fb923c", linewidth=2))
    if truth_known and film.label == finding:
        shrunk = size / max(film.rows, film.columns)
        spot = (film.labels["center_column"] * shrunk, film.labels["center_row"] * shrunk)
        radius = film.labels["diameter_mm"] / film.spacing[0] / 2 * shrunk
        ring = {"fill": False, "color": "#60a5fa", "linewidth": 2, "linestyle": "--"}
        ax.add_patch(Circle(spot, radius + 2, **ring))


order = scores[NETWORK].argsort()
lowest = [number for number in order if y_test[number] == 1][:4]
highest = [number for number in order[::-1] if y_test[number] == 0][:4]
figure, axes = plt.subplots(2, 4, figsize=(11, 6), layout="constrained")
for ax in axes.flat:
    ax.axis("off")
for ax, number in [*zip(axes[0], lowest), *zip(axes[1], highest)]:
    rank = np.mean(scores[NETWORK] < scores[NETWORK][number])
    picture(ax, x_test[number, 0], f"{NAMES[test[number].label]}: above {100 * rank:.0f} of 100")
    rings(ax, number)
plt.show()

# %% [markdown] name="change-words"
# ## Change one thing
#
# Change **one** setting in the cell near the top, then choose *Run → Run All Cells*.
# Write down what you expect, before you look.
#
# | change | ask yourself |
# |---|---|
# | `seed = 2` | Nothing but luck has changed. How much does the AUC move? |
# | `size = 32` | What can nobody see any more, neither you nor the network? |
# | `epochs = 10` | Is it worse, or only unfinished? Look at the curves. |

# %% [markdown] name="threshold-words"
# ## From a score to a decision
#
# A clinic needs an answer, not a score. So it sets a **threshold**: above it, alarm. Where, is your
# choice, and it has a price. **Your turn:** find the lowest threshold among the scores at which at
# most a given share of the films *without* the finding raises an alarm (a score *above* it).


# %% name="threshold"
def threshold(truth, score, share):
    """The lowest score at which at most `share` of the films without the finding lie above it."""
    free = np.sort(score[truth == 0])
    # BEGIN SOLUTION
    return next(one for one in np.sort(score) if np.mean(free > one) <= share)
    # END SOLUTION


# %% name="check-threshold"
page.check("threshold")


# %% name="decide" tags=["folded"]
def lowest(truth, score, share):
    free = score[truth == 0]
    return next(one for one in np.sort(score) if np.mean(free > one) <= share)


threshold = page.answer("threshold", otherwise=lowest)
at = threshold(y_validation, look_at(odd_validation, film_score), 0.1)
alarm = scores[NETWORK] > at
print("The threshold was set on the validation patients. On the test patients it gives:")
print(f"False alarms: {100 * alarm[y_test == 0].mean():.0f} of 100 films without the finding")
print(f"Found: {100 * alarm[y_test == 1].mean():.0f} of 100 films with the finding")

# %% [markdown] name="quiz-words"
# ## Quiz
#
# Each answer is explained, right or wrong, and you may try as often as you like.

# %% name="quiz"
page.quiz()

# %% [markdown] name="take-away"
# ## Take away
#
# - **Beat something.** A number alone says nothing. Beside a trivial and a classical reader it does.
# - **On new patients.** Split by patient, open the drawer once, and give the interval.
# - **Look at the failures.** They tell you what the network learnt instead.
#
# And the limit: what you saw holds for *these* films and patients like *these*. The next cell
# repeats what the data set says about itself.

# %% name="limits"
print(f"{films.card.title} ({films.name}, version {films.version})")
for line in films.card.limits:
    print("•", line)

# %% [markdown] name="finish-words"
# ## Done
#
# Here is what you have reached. Your instructor sees it only if you say so.

# %% name="finish"
page.finish()
