# %% [markdown] name="card"
# # Judging a classifier
#
# **A score is not yet a decision: where you draw the line decides who is missed, and who is called
# back for nothing.**
#
# In the next hour you will
#
# 1. turn scores into alarms, and move the line yourself,
# 2. see the same reader become worse in a clinic where the finding is rare,
# 3. make its probabilities honest again,
# 4. say how sure a number is, and test whether that saying can be trusted,
# 5. open the drawer with the test patients once, and look at those who were missed.
#
# You need no programming. Click on a cell and press **Shift + Enter** to run it, from top to bottom.
# Some cells are folded: a click on the three dots shows their code.

# %% name="imports"
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from scipy import ndimage, stats
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from course_kit import READERS, metrics, open_page, training
from course_kit.widgets.threshold import ThresholdExplorer
from dicom_catalog import Catalog
from dicom_catalog.viewing import look

page = open_page("06_judging", globals())

# %% [markdown] name="parameters-words"
# These settings are all that you will ever need to change. Leave them for the first run.

# %% name="parameters" tags=["parameters"]
dataset = "chest-film"  # which films; the catalog knows their names
size = 48  # pixels along each side of what the readers see
epochs = 20  # how often the network goes through all training films
seconds = 60  # training stops after this time, finished or not
hospitals = 200  # how many hospitals we invent to test an interval
seed = 1  # the same seed deals the same cards

# %% [markdown] name="desk-words"
# ## Your desk
#
# You work in a container: a desk of your own on a shared machine. First we ask what it may use.

# %% name="desk"
desk = page.desk()

# %% name="settings" tags=["folded"]
torch.manual_seed(seed)
TRIVIAL, CLASSICAL, NETWORK = READERS.trivial, READERS.classical, READERS.network
COLOURS = READERS.colours
ILL, FREE = "#e11d48", "#94a3b8"  # films with the finding, films without

# %% [markdown] name="story"
# ## The question
#
# A reader gives each film a score. The clinic needs a yes or a no. Somebody must draw the line.
#
# Move it down, and more are found. Move it down, and more healthy people are frightened. Nobody can
# have one without the other. Here are the films that it is about: above with **the finding**,
# below without.

# %% name="films"
films = Catalog()[dataset]
train, validation, test = (films.split(name) for name in ("train", "validation", "test"))
finding = films.classes[-1]  # what we look for
NAMES = {label: films.card.target.name(label) for label in films.classes}


def picture(ax, grey, title=""):
    """One film, grey from 0 (black) to 1 (white)."""
    ax.imshow(grey, cmap="gray", vmin=0, vmax=1)
    ax.set_title(title, fontsize=10)
    ax.axis("off")


having = [i for i in range(len(train)) if train[i].label == finding]
without = [i for i in range(len(train)) if train[i].label != finding]
figure, axes = plt.subplots(2, 4, figsize=(11, 5.8), layout="constrained")
for row, numbers in zip(axes, (having, without)):
    for ax, number in zip(row, numbers):
        picture(ax, train[number].windowed(), NAMES[train[number].label])
plt.show()

# %% [markdown] name="predict-words"
# ### Predict before you run
#
# We shall draw the line so that one in ten films *without* the finding raises a false alarm.
#
# **How many of 100 films *with* it will our best reader then miss?** Set the slider.

# %% name="predict"
page.predict("missed", 0, 100, 25, step=1)

# %% [markdown] name="viewer-words"
# ## Look
#
# Go through some films of the validation patients. For each, say a number from 0 (surely not) to
# 10 (surely). You are now a reader with scores. At which number would you call the patient back?

# %% name="viewer"
look(validation, size=420, marks=False)

# %% [markdown] name="floor-words"
# ## Three readers
#
# **The trivial reader** never looks: each film gets the same score. **The classical reader**
# measures a few things that people thought of, and weighs them. **The network** finds out for
# itself what to look for. How they work is told in the lesson on classification. Here we judge.


# %% name="prepare" tags=["folded"]
def as_numbers(part):
    """The films of a pile evened out; 1 where the finding is, else 0; the patients."""
    x, labels = part.arrays(size=size)
    x = x[:, :1] - ndimage.gaussian_filter(x[:, :1], (0, 0, size / 16, size / 16))
    wide = size * 6 / 64
    x = x / (np.sqrt(ndimage.gaussian_filter(x * x, (0, 0, wide, wide))) + 0.03)
    truth = (labels == films.classes.index(finding)).astype(int)
    return x, truth, part.table()["patient_id"].to_numpy()


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


x_train, y_train, _ = as_numbers(train)
x_validation, y_validation, _ = as_numbers(validation)
x_test, y_test, patients = as_numbers(test)
usual, spread = x_train.mean(axis=0), x_train.std(axis=0) + 0.1
x_train, x_validation, x_test = (
    ((x - usual) / spread).astype(np.float32) for x in (x_train, x_validation, x_test)
)

# %% name="classical"
classical = make_pipeline(StandardScaler(), LogisticRegression())
classical.fit(features(x_train), y_train)
floor = metrics.auroc(y_validation, classical.decision_function(features(x_validation)))
print(f"{TRIVIAL}: AUC {metrics.auroc(y_validation, np.zeros(len(y_validation))):.2f}")
print(f"{CLASSICAL}: AUC {floor:.2f}   (on the validation patients)")


# %% name="network" tags=["folded"]
class Network(torch.nn.Module):
    """Four layers of patterns; the score is a weighted sum of how much and how strong they are."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential()
        for seen, made in ((1, 12), (12, 24), (24, 48), (48, 48)):
            self.layers.append(torch.nn.Conv2d(seen, made, 3, padding=1))
            self.layers.append(torch.nn.BatchNorm2d(made))
            self.layers.append(torch.nn.ReLU())
            if made != seen:
                self.layers.append(torch.nn.MaxPool2d(2))
        self.weigh = torch.nn.Linear(96, 1)

    def forward(self, x):
        patterns = self.layers(x)
        return self.weigh(torch.cat([patterns.mean((2, 3)), patterns.amax((2, 3))], 1))[:, 0]


network = Network()
shifts = np.random.default_rng(seed)


def moved(x, y):
    """Films a little shifted, half of them mirrored: the answer stays the same."""
    x = torch.roll(x, tuple(shifts.integers(-3, 4, 2).tolist()), (2, 3))
    return (x.flip(3) if shifts.random() < 0.5 else x), y


# %% [markdown] name="train-words"
# ## Train, live
#
# Left you see how wrong it is (the *loss*), right its AUC on the validation patients. The dashed
# line is the classical reader. The button *Stop* ends it early; what has been learnt is kept.

# %% name="train"
history = training.fit(
    network,
    training.batches(x_train, y_train, 16, augment=moved, seed=seed),
    loss=lambda score, y: torch.nn.functional.binary_cross_entropy_with_logits(score, y.float()),
    validate=lambda one: metrics.auroc(
        y_validation, training.predict(one, x_validation, desk.device)
    ),
    metric="AUC",
    lines={CLASSICAL: floor},
    lr=2e-3,
    epochs=epochs,
    seconds=seconds,
    device=desk.device,
)

# %% [markdown] name="speak-words"
# ## From scores to probabilities
#
# A score may be any number. A **probability** has a meaning: of all films that get 30 of 100,
# thirty in a hundred should have the finding. We bend the scores with one S-shaped curve that fits
# the validation patients. That does not change their order, so the AUC stays as it is.
#
# Each dot below is one validation film. We go on with the reader that has the higher AUC there.
# Where would you draw the line?


# %% name="speak"
def scores_of(x):
    """The raw score of each film, by reader."""
    return {
        CLASSICAL: classical.decision_function(features(x)),
        NETWORK: training.predict(network, x, desk.device),
    }


curves = {
    name: LogisticRegression().fit(score[:, None], y_validation)
    for name, score in scores_of(x_validation).items()
}


def probabilities_of(x):
    """The probability of the finding for each film, by reader."""
    raw = scores_of(x)
    return {name: curve.predict_proba(raw[name][:, None])[:, 1] for name, curve in curves.items()}


spoken = probabilities_of(x_validation)
figure, axes = plt.subplots(2, 1, figsize=(11, 3.8), layout="constrained", sharex=True)
chance = np.random.default_rng(seed)
for ax, (name, probability) in zip(axes, spoken.items()):
    for kind, colour, place in ((0, FREE, 0), (1, ILL, 1)):
        one = probability[y_validation == kind]
        ax.scatter(one, place + chance.uniform(-0.3, 0.3, len(one)), color=colour, s=18, alpha=0.7)
    ax.set(title=name, yticks=[0, 1], yticklabels=["without", "with"], xlim=(-0.02, 1.02))
axes[1].set_xlabel("probability that the reader gives")
plt.show()
chosen = max(spoken, key=lambda name: metrics.auroc(y_validation, spoken[name]))
print(f"We go on with: {chosen}")

# %% [markdown] name="found-words"
# ## Draw the line
#
# Above the line: **alarm**. Four things can happen to a patient: found, missed, frightened for
# nothing, rightly left in peace. The **sensitivity** is the share of films with the finding that
# raise an alarm. The **specificity** is the share of films without it that raise none.
#
# **Your turn.** `truth` is 1 where the finding is, else 0. `alarm` is true where an alarm is raised.
# The sensitivity is written already: the mean of the alarms where the truth is 1. In place of the
# dots, return both: `return sensitivity, ` and after the comma the specificity.


# %% name="rates"
def rates(truth, alarm):
    """Sensitivity and specificity."""
    truth, alarm = np.asarray(truth), np.asarray(alarm, dtype=bool)
    sensitivity = alarm[truth == 1].mean()
    # BEGIN SOLUTION
    return sensitivity, (~alarm)[truth == 0].mean()
    # END SOLUTION


# %% name="check-rates"
page.check("rates")

# %% [markdown] name="explorer-words"
# ### The line in your hand
#
# Drag the line through the scores. Four pictures follow:
#
# - the **four fields**: who is found, missed, frightened, left in peace;
# - the **ROC curve**: what each line costs among those *without* the finding;
# - the **precision curve**: how many of the alarms are right;
# - the **decision curve**: what the reader is worth against calling back everybody, or nobody.
#
# **Predict:** drag the line to the far left. Where will the dot on the ROC curve go?
#
# <details><summary>Answer</summary>To the upper right corner: all are found, and every healthy
# person is called back.</details>

# %% name="explorer"
ThresholdExplorer(y_validation, spoken[chosen])

# %% [markdown] name="rare-words"
# ## The same reader in another clinic
#
# Among our films about half have the finding. In screening it is rare. Sensitivity and specificity
# belong to the reader. But the patient asks another question: *I had an alarm. Do I have it?*
# That share of right alarms is the **positive predictive value**, and it depends on how common the
# finding is: the **prevalence**.
#
# **Your turn.** Think of a hundred people. `prevalence` of them have the finding, and `sensitivity`
# of these raise a right alarm. The others are 1 − `prevalence`; of these, 1 − `specificity` raise a
# false one. Write the share of right alarms among all alarms.


# %% name="predictive"
def predictive(sensitivity, specificity, prevalence):
    """The share of alarms that are right."""
    right = sensitivity * prevalence
    # BEGIN SOLUTION
    false = (1 - specificity) * (1 - prevalence)
    return right / (right + false)
    # END SOLUTION


# %% name="check-predictive"
page.check("predictive")


# %% name="people" tags=["folded"]
def true_share(sensitivity, specificity, prevalence):
    right = sensitivity * prevalence
    return right / (right + (1 - specificity) * (1 - prevalence))


predictive = page.answer("predictive", otherwise=true_share)
at = np.quantile(spoken[chosen][y_validation == 0], 0.9)
sensitivity = float(np.mean(spoken[chosen][y_validation == 1] > at))
specificity = float(np.mean(spoken[chosen][y_validation == 0] <= at))
figure, axes = plt.subplots(1, 3, figsize=(11, 4.2), layout="constrained")
for ax, prevalence in zip(axes, (0.5, 0.1, 0.01)):
    ill = round(1000 * prevalence)
    found, frightened = round(ill * sensitivity), round((1000 - ill) * (1 - specificity))
    kinds = [found, ill - found, frightened, 1000 - ill - frightened]
    colour = np.repeat([ILL, "#fecdd3", "#f59e0b", "#e2e8f0"], kinds)
    place = np.arange(1000)
    ax.scatter(place // 40, -(place % 40), c=colour, s=11, marker="s")
    ax.axis("off")
    share = predictive(sensitivity, specificity, prevalence)
    ax.set_title(f"{ill} of 1000 have it:\nof 100 alarms {100 * share:.0f} are right")
names = {ILL: "found", "#fecdd3": "missed", "#f59e0b": "false alarm", "#e2e8f0": "left in peace"}
marks = [plt.Line2D([], [], marker="s", linestyle="", color=one) for one in names]
axes[1].legend(marks, names.values(), loc=9, bbox_to_anchor=(0.5, 0), ncols=4)
plt.show()
rare, common = (predictive(sensitivity, specificity, one) for one in (0.01, 0.5))
page.claim("rare", rare / common)

# %% [markdown] name="calibration-words"
# ## Make the probabilities honest
#
# A reader is **calibrated** if it means what it says. Ours learnt among films of which half have
# the finding. We now carry it to a clinic in which one in ten has it. It still speaks as if it
# were half: its probabilities are far too high. The order of the films, and so the AUC, is as
# good as before. An AUC cannot tell you.
#
# The mending is old, and Bayes' own: a probability p is **odds** of p against 1 − p. When the odds
# before looking change, the odds after looking change by the same factor.
#
# **Your turn.** `odds` are those that the reader speaks of. Multiply them by what the prevalence
# odds are *now*, over what they *were*.


# %% name="honest"
def honest(probability, was, now):
    """Probabilities of a reader that learnt at prevalence `was`, for a clinic with prevalence `now`."""
    odds = probability / (1 - probability)
    # BEGIN SOLUTION
    odds = odds * (now / (1 - now)) / (was / (1 - was))
    # END SOLUTION
    return odds / (1 + odds)


# %% name="check-honest"
page.check("honest")


# %% name="clinic" tags=["folded"]
def by_bayes(probability, was, now):
    odds = probability / (1 - probability) * (now / (1 - now)) / (was / (1 - was))
    return odds / (1 + odds)


honest = page.answer("honest", otherwise=by_bayes)
was, now = y_validation.mean(), 0.1
chance = np.random.default_rng(seed)
drawn = np.concatenate(
    [
        chance.choice(np.flatnonzero(y_validation == kind), round(2000 * share))
        for kind, share in ((1, now), (0, 1 - now))
    ]
)
before = np.clip(spoken[chosen][drawn], 1e-6, 1 - 1e-6)
after = honest(before, was, now)
figure, axes = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained", sharey=True)
errors = []
for ax, title, probability in zip(axes, ("Before", "After"), (before, after)):
    errors.append(metrics.calibration(y_validation[drawn], probability, bins=5).ece)
    edges = np.digitize(probability, np.linspace(0, 1, 6)[1:-1])
    bins = [edges == number for number in np.unique(edges)]
    said = [probability[one].mean() for one in bins]
    came = [y_validation[drawn][one].mean() for one in bins]
    ax.plot([0, 1], [0, 1], color=FREE, linestyle=":")
    ax.plot(said, came, color=COLOURS[chosen], linewidth=2, zorder=1)
    ax.scatter(said, came, s=[one.sum() / 3 + 20 for one in bins], color=COLOURS[chosen])
    ax.set(title=f"{title}: it is off by {errors[-1]:.2f} on average", xlabel="what it says")
axes[0].set_ylabel("how many really have it")
plt.show()
page.claim("honest", errors[1] / errors[0])

# %% [markdown] name="sure-words"
# ## How sure is a number?
#
# With other patients the AUC would be another. How other? We draw patients again and again,
# putting each back (the **bootstrap**), and get a heap of AUCs. The **95 % interval** leaves out
# the lowest and the highest part of the heap, the same share on both sides.
#
# **Your turn.** Return the two ends, the lower first, with a comma between.
# `np.quantile(draws, 0.5)` would be the middle of the heap.


# %% name="interval"
def interval(draws):
    """The two ends between which 95 of 100 draws lie, the rest shared by both sides."""
    draws = np.asarray(draws, dtype=float)
    # BEGIN SOLUTION
    return np.quantile(draws, 0.025), np.quantile(draws, 0.975)
    # END SOLUTION


# %% name="check-interval"
page.check("interval")

# %% [markdown] name="coverage-words"
# ### Can the interval be trusted?
#
# An interval makes a promise: of 100 such intervals, about 95 hold the truth. In life the truth is
# hidden, so nobody can check. So we **invent hospitals** in which we know it: each has a few
# patients with several films each, and the true AUC is set by us.
#
# We draw in two ways: whole *patients*, or single *films*. Films of one patient are alike, so they
# are not separate witnesses.
#
# **Predict:** how many of 100 intervals hold the truth when single films are drawn?

# %% name="coverage-predict"
page.predict("coverage", 50, 100, 95, step=1)


# %% name="hospital" tags=["folded"]
def two_ends(draws):
    return np.quantile(draws, 0.025), np.quantile(draws, 0.975)


interval = page.answer("interval", otherwise=two_ends)
apart = 1.2  # how far the scores of the ill lie above those of the others, in standard deviations
true_auc = float(stats.norm.cdf(apart / np.sqrt(2)))


def invent(chance, people=40, each=6):
    """Scores of a hospital's films, (people, each): the first half of the people are ill."""
    ill = np.arange(people)[:, None] < people // 2
    person, film = chance.normal(size=(people, 1)), chance.normal(size=(people, each))
    return apart * ill + np.sqrt(0.8) * person + np.sqrt(0.2) * film


def quick_auc(ill, free):
    """The AUC by ranks: the same number as `metrics.auroc`, for many draws in little time."""
    order = np.argsort(np.argsort(np.concatenate([ill, free], axis=1), axis=1), axis=1)
    count = ill.shape[1]
    above = order[:, :count].sum(axis=1) - count * (count - 1) / 2
    return above / (count * free.shape[1])


def draws_of(scores, chance, whole_patients, times=200):
    """The AUC of many draws, with putting back: of whole patients, or of single films."""
    ill, free = np.split(scores, 2)
    if whole_patients:
        rows = chance.integers(len(ill), size=(2, times, len(ill)))
        return quick_auc(ill[rows[0]].reshape(times, -1), free[rows[1]].reshape(times, -1))
    rows = chance.integers(ill.size, size=(2, times, ill.size))
    return quick_auc(ill.ravel()[rows[0]], free.ravel()[rows[1]])


# %% name="coverage" tags=["folded"]
chance = np.random.default_rng(seed)
ends = {False: [], True: []}  # drawing single films, drawing whole patients
for _ in range(hospitals):
    scores = invent(chance)
    for whole, found in ends.items():
        found.append(interval(draws_of(scores, chance, whole)))
figure, axes = plt.subplots(1, 2, figsize=(11, 5), layout="constrained", sharey=True, sharex=True)
holds = {}
for ax, (whole, found) in zip(axes, ends.items()):
    found = np.array(found)
    inside = (found[:, 0] <= true_auc) & (true_auc <= found[:, 1])
    holds[whole] = inside.mean()
    for place, ((low, high), good) in enumerate(zip(found[:60], inside)):
        ax.plot([low, high], [place, place], color="#059669" if good else ILL, linewidth=2)
    ax.axvline(true_auc, color="black", linewidth=1)
    how = "Drawing whole patients" if whole else "Drawing single films"
    ax.set(title=f"{how}: {100 * holds[whole]:.0f} of 100 hold the truth", xlabel="AUC")
axes[0].set(yticks=[], ylabel="one line for each of 60 hospitals")
plt.show()
page.reveal("coverage", 100 * holds[False])
page.claim("coverage", holds[True])
page.claim("too-sure", holds[True] - holds[False])

# %% [markdown] name="judge-words"
# ## Judge: open the drawer
#
# Now the test patients, once. The line was drawn on the *validation* patients, as everything was.
# The intervals are drawn over patients.
#
# **Does the promise of one false alarm in ten hold for them?**

# %% name="judge"
answers = {TRIVIAL: np.full(len(y_test), was)} | probabilities_of(x_test)
judged = {
    name: metrics.bootstrap(metrics.auroc, patients, y_test, answer, seed=seed)
    for name, answer in answers.items()
}
lead = metrics.difference(
    metrics.auroc, patients, y_test, answers[NETWORK], answers[CLASSICAL], seed=seed
)
alarm = answers[chosen] > at
missed = 100 * (1 - alarm[y_test == 1].mean())
for name, one in judged.items():
    print(f"{name}: AUC {one}")
print(f"{CLASSICAL} → {NETWORK}: {lead.value:+.2f} ({lead.low:+.2f} … {lead.high:+.2f})")
print(f"False alarms: {100 * alarm[y_test == 0].mean():.0f} of 100 films without the finding")
page.reveal("missed", missed)
page.claim("chance", judged[TRIVIAL].value)
page.claim("network", judged[NETWORK].value)

# %% name="judge-picture" tags=["folded"]
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
for place, (name, one) in enumerate(judged.items()):
    left.plot([one.low, one.high], [place, place], color=COLOURS[name], linewidth=4, alpha=0.5)
    left.plot(one.value, place, "o", color=COLOURS[name], markersize=10)
    left.text(one.value, place + 0.15, f"{one.value:.2f}", ha="center", color=COLOURS[name])
    false_alarms, found, _ = metrics.roc(y_test, answers[name])
    right.plot(false_alarms, found, color=COLOURS[name], linewidth=2, label=name)
left.set(title="AUC on the test patients, with its 95 % interval", xlim=(0.4, 1.03))
left.set(ylim=(-0.5, 2.6), yticks=range(3), yticklabels=judged)
right.plot(alarm[y_test == 0].mean(), 1 - missed / 100, "o", color=ILL, markersize=11)
right.set(title="What each line costs; the dot is ours", aspect="equal")
right.set(xlabel="false alarms among films without it", ylabel="found among films with it")
right.legend(loc=4)
plt.show()

# %% [markdown] name="worst-words"
# ## The worst cases
#
# Behind each number are people. Above: films with the finding that got the lowest probability.
# Below: films without it that got the highest. A frame marks those on the wrong side of the line.
#
# **Would you have seen them?** What do the missed ones have in common?

# %% name="worst" tags=["folded"]
order = answers[chosen].argsort()
lowest = [number for number in order if y_test[number] == 1][:4]
highest = [number for number in order[::-1] if y_test[number] == 0][:4]
figure, axes = plt.subplots(2, 4, figsize=(11, 6), layout="constrained")
for ax, number in [*zip(axes[0], lowest), *zip(axes[1], highest)]:
    said = f"{NAMES[test[number].label]}: {100 * answers[chosen][number]:.0f} %"
    picture(ax, test[number].windowed(), said)
    if alarm[number] != y_test[number]:
        edge = {"fill": False, "edgecolor": ILL, "linewidth": 3, "transform": ax.transAxes}
        ax.add_patch(plt.Rectangle((0.01, 0.01), 0.98, 0.98, **edge))
plt.show()

# %% [markdown] name="change-words"
# ## Change one thing
#
# Change **one** setting in the cell near the top, then choose *Run → Run All Cells*.
# Write down what you expect, before you look.
#
# | change | ask yourself |
# |---|---|
# | `seed = 2` | Nothing but luck has changed. How far do the missed ones move? |
# | `hospitals = 50` | Is the coverage itself a number that needs an interval? |
# | `epochs = 2` | An unfinished reader: are its probabilities less honest, or only less useful? |

# %% [markdown] name="quiz-words"
# ## Quiz
#
# Each answer is explained, right or wrong, and you may try as often as you like.

# %% name="quiz"
page.quiz()

# %% [markdown] name="take-away"
# ## Take away
#
# - **Draw the line on purpose.** It is a choice about people; the AUC does not make it for you.
# - **Ask how common it is.** A good reader in a rare disease raises mostly false alarms.
# - **Draw patients, not films**, or your interval promises what it cannot hold.
#
# And the limit: prevalence is not all that changes between clinics. Machines and people differ,
# too, and no formula mends that. What the data set says about itself:

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
