# %% [markdown] name="card"
# # A first network
#
# **Learning is turning knobs, a little at a time, towards less wrong.**
#
# In the next hour you will
#
# 1. look for a tumour with one number and a threshold,
# 2. turn the knobs of a neuron by hand,
# 3. measure how wrong a reader is, with one number: the loss,
# 4. let the machine turn the knobs, and then give it more of them,
# 5. see what no number of knobs can give you.
#
# You need no programming. Click on a cell and press **Shift + Enter** to run it, from top to bottom.
# Some cells are folded: a click on the three dots shows their code.

# %% name="imports"
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from monai.utils import set_determinism
from sklearn.neighbors import KNeighborsClassifier

from course_kit import READERS, metrics, open_page, training
from course_kit.widgets.by_hand import ByHand
from course_kit.widgets.neuron import NeuronSliders
from dicom_catalog import Catalog
from dicom_catalog.viewing import look

page = open_page("03_network", globals())

# %% [markdown] name="parameters-words"
# These settings are all that you will ever need to change. Leave them for the first run.

# %% name="parameters" tags=["parameters"]
dataset = "brain-mr"  # which scans; the catalog knows their names
hidden = 6  # neurons of the network
epochs = 60  # how often the network goes through all dots
dots = 200  # dots of each kind that we take from a patient
seed = 1  # the same seed deals the same cards

# %% [markdown] name="desk-words"
# ## Your desk
#
# You work in a container: a desk of your own on a shared machine. First we ask what it may use.

# %% name="desk"
desk = page.desk()

# %% name="settings" tags=["folded"]
set_determinism(seed)
torch.set_num_threads(1)  # so small a network is slower on several cores
TRIVIAL, CLASSICAL = READERS.trivial, READERS.classical
NETWORK, CEILING = READERS.network, READERS.ceiling
COLOURS = READERS.colours
TUMOUR, OTHER = "#e11d48", "#94a3b8"  # colours of the dots


# %% [markdown] name="story"
# ## The question
#
# A patient could not lie still any longer. So of the planned three pictures of the brain there are
# only two, **T1** and **T2**. The third, FLAIR, on which a tumour and its swelling shine, was not
# taken.
#
# Can we find the tumour all the same?


# %% name="slices" tags=["folded"]
def slice_of(sequences):
    """T1, T2 and FLAIR of the slice with most tumour, and where the head and the tumour are."""
    volumes = {name: series.array() for name, series in sequences.items()}
    parts = [mask for series in sequences.values() for mask in series.masks().values()]
    tumour = np.any(parts, axis=0)
    at = tumour.sum((1, 2)).argmax()
    head = volumes["T2"] > 0.15 * np.percentile(volumes["T2"], 99)
    even = [volumes[name] / np.median(volumes[name][head]) for name in ("T1", "T2", "FLAIR")]
    return np.stack([volume[at] for volume in even]), head[at], tumour[at]


def patients_of(part):
    """The slice of each patient of a pile who has a tumour, by the patient's name."""
    with_tumour = [series for series in part.series if series.labels["tumour"] == "yes"]
    sequences = {}
    for series in with_tumour:
        sequences.setdefault(series.patient_id, {})[series.labels["sequence"]] = series
    return {name: slice_of(found) for name, found in sorted(sequences.items())}


scans = Catalog()[dataset]
train = patients_of(scans.split("train"))
new = patients_of(scans.split("validation")) | patients_of(scans.split("test"))
print(f"{len(train)} patients to learn from, {len(new)} new patients to judge by")

# %% name="first-look" tags=["folded"]
first, head, tumour = next(iter(train.values()))
figure, axes = plt.subplots(1, 3, figsize=(11, 4), layout="constrained")
for ax, grey, title in zip(axes, [first[0], first[1], first[1]], ["T1", "T2", "T2, tumour"]):
    ax.imshow(grey, cmap="gray", vmin=0, vmax=np.percentile(grey[head], 99))
    ax.set_title(title)
    ax.axis("off")
axes[2].contour(tumour, [0.5], colors=TUMOUR, linewidths=2)
plt.show()

# %% [markdown] name="look-words"
# ## Look
#
# Two pictures of one patient, linked: what you do in one happens in the other. Scroll through the
# slices with the wheel. **A click tells you the two numbers of a place.** Find the dark swelling in
# T1 that is bright in T2. Then find fluid, and fat below the skin.

# %% name="viewer"
pair = [series for series in scans.split("train").series if series.labels["tumour"] == "yes"]
same = [series for series in pair if series.patient_id == pair[0].patient_id]
t1, t2 = (next(s for s in same if s.labels["sequence"] == name) for name in ("T1", "T2"))
look(t1, t2)

# %% [markdown] name="dots-words"
# ## A place is a dot
#
# Each place of the brain has two numbers: how bright it is in T1, and how bright in T2. So we can
# draw it as a **dot** on a sheet: T1 to the right, T2 upwards. Places with tumour are red.
#
# Scanners differ. So we divide each picture by its own middle grey: 1 is the middle of that head.


# %% name="points" tags=["folded"]
def points_of(patients):
    """As many dots with tumour as without from each patient: numbers, truth, whose dot it is."""
    rng = np.random.default_rng(seed)
    x, y, owner = [], [], []
    for name, (grey, head, tumour) in patients.items():
        for value, places in ((1, tumour & head), (0, head & ~tumour)):
            found = np.argwhere(places)
            rows = found[rng.choice(len(found), min(dots, len(found)), replace=False)]
            x.append(grey[:, rows[:, 0], rows[:, 1]].T - 1)
            y += [value] * len(rows)
            owner += [name] * len(rows)
    return np.concatenate(x), np.array(y), np.array(owner)


x_all, y_train, _ = points_of(train)
x_train = x_all[:, :2]  # T1 and T2 only
x_new_all, y_new, patients = points_of(new)
x_new = x_new_all[:, :2]


def sheet(ax):
    """The dots of the training patients on their sheet."""
    for value, colour in ((0, OTHER), (1, TUMOUR)):
        few = x_train[y_train == value][::3] + 1
        ax.plot(few[:, 0], few[:, 1], ".", color=colour, markersize=3, alpha=0.6)
    ax.set(xlim=(0.2, 2.4), ylim=(0, 3.2), xlabel="T1", ylabel="T2")


figure, ax = plt.subplots(figsize=(11, 5), layout="constrained")
sheet(ax)
ax.set_title("Each dot is a place in a brain: red with tumour, grey without")
for words, place in {"fluid": (0.45, 2.9), "fat": (2.1, 0.85), "brain": (1.0, 0.35)}.items():
    ax.annotate(words, place, color="#334155", fontsize=12)
plt.show()

# %% [markdown] name="predict-words"
# ### Predict before you run
#
# Take any red dot and any grey dot. A reader must say which is the red one. A coin gets half of all
# such pairs right. **How many of 100 pairs will a network get right, on patients that it has never
# seen?** Set the slider. Nobody sees it but you.

# %% name="predict"
page.predict("pairs", 50, 100, 75, step=1)

# %% [markdown] name="cut-words"
# ## One number: a threshold
#
# Swelling is bright in T2. So the simplest rule says *tumour* wherever T2 reaches a **threshold**.
#
# **Your turn.** `values` holds many numbers, `threshold` is one. The rule gives, for each number,
# true where it is at least as large as the threshold. Replace the dots by your answer, run the
# cell, then the one below it. There are hints.


# %% name="cut"
def cut(values, threshold):
    """True for each value that reaches the threshold."""
    # BEGIN SOLUTION
    return np.asarray(values) >= threshold
    # END SOLUTION


# %% name="check-cut"
page.check("cut")

# %% name="cut-hand"
cut = page.answer("cut", otherwise=lambda values, threshold: np.asarray(values) >= threshold)


def draw_cut(ax, threshold):
    sheet(ax)
    ax.axhspan(threshold, 4, color=TUMOUR, alpha=0.08)
    ax.axhline(threshold, color=COLOURS[CLASSICAL], linewidth=2)
    right = cut(x_train[:, 1] + 1, threshold) == y_train
    return f"Right: {100 * right.mean():.0f} of 100 dots"


ByHand(draw_cut, {"threshold": ("threshold", 0.2, 3, 2.2)})

# %% [markdown] name="neuron-words"
# Move the slider. High, and the threshold misses swelling. Low, and it takes brain and fluid along.
# No height is good: the red dots lie *in the middle*.
#
# ## Two numbers: a neuron
#
# A **neuron** multiplies each number by a **weight**, adds them up, and adds a **shift**. Then it
# squeezes the sum between 0 and 1. We read the result as *how sure* it is: 0 is surely no tumour,
# 1 surely tumour. Where the sum is 0, it says one half. That is a straight line on our sheet.
#
# **Your turn.** `x` is a table with a row for each dot, `weights` has one for each column.
# `x @ weights` multiplies and adds up, row by row. The squeeze is `1 / (1 + np.exp(-total))`.


# %% name="neuron"
def neuron(x, weights, shift):
    """How sure a neuron is of each row of x, from 0 to 1."""
    # BEGIN SOLUTION
    total = np.asarray(x) @ np.asarray(weights) + shift
    return 1 / (1 + np.exp(-total))
    # END SOLUTION


# %% name="check-neuron"
page.check("neuron")

# %% [markdown] name="loss-words"
# ## How wrong? The loss
#
# To learn, a machine needs one number that says how wrong it is: the **loss**. For each dot, take
# how sure the reader was *of what is true*. Sure and right costs nothing. Sure and wrong costs
# very much. The cost is minus the logarithm of that number; the loss is the mean over all dots.
#
# **Predict:** a reader knows nothing and says one half to every dot. What is its loss?


# %% name="predict-loss"
page.predict("loss", 0, 2, 1, step=0.01)

# %% [markdown] name="loss-turn-words"
# **Your turn.** `said` holds how sure the reader was of *tumour*. `truth` is 1 for tumour, else 0.
# For a dot without tumour, the reader was sure of what is true by one minus `said`.


# %% name="loss"
def loss(truth, said):
    """The mean of minus the logarithm of how sure one was of what is true."""
    truth, said = np.asarray(truth), np.asarray(said)
    # BEGIN SOLUTION
    return float(-np.mean(np.log(np.where(truth == 1, said, 1 - said))))
    # END SOLUTION


# %% name="check-loss"
page.check("loss")


# %% name="loss-half" tags=["folded"]
def loss_of(truth, said):
    return float(-np.mean(np.log(np.where(truth == 1, said, 1 - said))))


def neuron_of(x, weights, shift):
    return 1 / (1 + np.exp(-(x @ weights + shift)))


neuron = page.answer("neuron", otherwise=neuron_of)
loss = page.answer("loss", otherwise=loss_of)


def line(ax, weights, shift, colour):
    """Where a neuron says one half, and, lightly, the side where it says more."""
    across, up = np.meshgrid(np.linspace(0.2, 2.4, 90), np.linspace(0, 3.2, 90))
    total = (across - 1) * weights[0] + (up - 1) * weights[1] + shift
    ax.contourf(across, up, total > 0, levels=[0.5, 1.5], colors=[TUMOUR], alpha=0.08)
    if total.min() < 0 < total.max():
        ax.contour(across, up, total, levels=[0], colors=[colour], linewidths=2)


half = loss(y_train, np.full(len(y_train), 0.5))
page.reveal("loss", half)
page.claim("half", half)

# %% [markdown] name="hand-words"
# ### Learn by hand
#
# Here are the three knobs of a neuron; its shift is called **bias** there, as in most books. The line
# is where it says one half. Beside it, what it says of each place of the picture. **Turn the knobs
# until the loss is as small as you can get it.** Then ask yourself how you did it: which knob, which
# way, and how far?


# %% name="hand"
NeuronSliders(x_train[::3] + 1, y_train[::3], ("T1", "T2"), pictures=(first[0], first[1]))

# %% [markdown] name="step-words"
# ## Let the machine turn the knobs
#
# You tried a knob a little and looked whether the loss went down. A machine needs no trying: it
# can compute the **slope**, how fast the loss grows when the knob is turned up. So it turns each
# knob a little *against* its slope. How little, the **rate** says.
#
# **Your turn.** The new place of a knob, from its place now, its slope and the rate.


# %% name="step"
def step(knob, slope, rate):
    """Where a knob stands after one step downhill."""
    # BEGIN SOLUTION
    return knob - rate * slope
    # END SOLUTION


# %% name="check-step"
page.check("step")

# %% name="descend"
step = page.answer("step", otherwise=lambda knob, slope, rate: knob - rate * slope)
weights, shift, losses = np.zeros(2), 0.0, []
for _ in range(300):
    said = neuron(x_train, weights, shift)
    losses.append(loss(y_train, said))
    error = said - y_train  # too sure: above zero; not sure enough: below
    weights = step(weights, error @ x_train / len(error), 1.0)
    shift = step(shift, error.mean(), 1.0)

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
left.plot(losses, color=COLOURS[CLASSICAL], linewidth=2)
left.axhline(half, color=COLOURS[TRIVIAL], linestyle="--")
left.set(title="The loss goes down, step by step", xlabel="steps", ylabel="loss")
sheet(right)
line(right, weights, shift, COLOURS[CLASSICAL])
right.set_title("The best straight line that it found")
plt.show()
print(f"Loss: {losses[0]:.3f} at the beginning, {losses[-1]:.3f} at the end. And yours, by hand?")

# %% [markdown] name="build-words"
# ## Many neurons: a network
#
# A line cannot go around the red dots. But *several* lines can fence them in. So we let a few
# neurons look at the dot side by side, and one more neuron look at what *they* say. That is a
# **network**; the neurons inside are called **hidden**.
#
# Nothing else is new: knobs, a loss, small steps against the slope.
#
# **Predict:** how many straight lines would *you* need?

# %% name="build"
network = torch.nn.Sequential(
    torch.nn.Linear(2, hidden),  # each hidden neuron: two weights and a shift
    torch.nn.Tanh(),  # the squeeze, between -1 and 1
    torch.nn.Linear(hidden, 1),  # one neuron looks at what they say
).to(desk.device)
count = sum(knob.numel() for knob in network.parameters())
print(f"{count} knobs, where the neuron had 3")

# %% [markdown] name="train-words"
# ## Train, live
#
# One pass through all dots is an **epoch**. Watch the loss; it started near that of the reader who
# knows nothing. The button *Stop* ends it early; what has been learnt is kept.


# %% name="train"
def batches_of(x):
    """The dots in small heaps: after each heap, one step."""
    return training.batches(np.float32(x), np.float32(y_train)[:, None], 512, seed=seed)


wrongness = torch.nn.BCEWithLogitsLoss()  # our loss, with the squeeze inside
history = training.fit(
    network, batches_of(x_train), wrongness, epochs=epochs, lr=0.05, device=desk.device
)
print(f"Loss: the line {losses[-1]:.3f}, the network {history.losses[-1]:.3f}")


def sure(network, x):
    """How sure a network is of tumour, for each dot."""
    with torch.inference_mode():
        numbers = torch.as_tensor(np.float32(x), device=desk.device)
        return torch.sigmoid(network(numbers))[:, 0].cpu().numpy()


# %% name="fence" tags=["folded"]
across, up = np.meshgrid(np.linspace(0.2, 2.4, 120), np.linspace(0, 3.2, 120))
plane = np.stack([across.ravel(), up.ravel()], axis=1) - 1
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
sheet(left)
for (first, second), shifted in zip(*(p.detach().cpu().numpy() for p in network[0].parameters())):
    total = (across - 1) * first + (up - 1) * second + shifted
    if total.min() < 0 < total.max():
        left.contour(across, up, total, levels=[0], colors=[COLOURS[NETWORK]], linewidths=1.5)
left.set_title("Each hidden neuron draws a line")
answer = sure(network, plane).reshape(across.shape)
right.contourf(across, up, answer, levels=np.linspace(0, 1, 11), cmap="RdBu_r", alpha=0.5)
sheet(right)
right.contour(across, up, answer, levels=[0.5], colors=[COLOURS[NETWORK]], linewidths=2.5)
right.set_title("Together they fence the tumour in")
plt.show()

# %% [markdown] name="judge-words"
# ## Judge: new patients
#
# Now the patients from whom nothing was learnt. Beside the network stand three others. The
# **trivial** reader never looks. The **classical** one is our line. The **ceiling** remembers every
# dot, and asks for each new one what its nearest neighbours were: about the best that T1 and T2 allow.
#
# We keep score by pairs, as in your prediction (the share of right pairs is called **AUC**). The
# interval comes from drawing *patients* again and again: other patients, other numbers.

# %% name="judge"
memory = KNeighborsClassifier(51).fit(x_train, y_train)
scores = {
    TRIVIAL: np.zeros(len(y_new)),
    CLASSICAL: neuron(x_new, weights, shift),
    NETWORK: sure(network, x_new),
    CEILING: memory.predict_proba(x_new)[:, 1],
}
intervals = {
    name: metrics.bootstrap(metrics.auroc, patients, y_new, score, times=300, seed=seed)
    for name, score in scores.items()
}
results = pd.DataFrame(
    {name: [one.value, one.low, one.high] for name, one in intervals.items()},
    index=["AUC", "from", "to"],
).T
results.style.format("{:.2f}")

# %% name="verdict" tags=["folded"]
lead = metrics.difference(
    metrics.auroc, patients, y_new, scores[NETWORK], scores[CLASSICAL], times=300, seed=seed
)
page.reveal("pairs", 100 * intervals[NETWORK].value)
print(f"The lead of the network over the line: {lead}")
page.claim("lead", lead.value)
page.claim("below", intervals[CEILING].value - intervals[NETWORK].value)

# %% [markdown] name="worst-words"
# ## The worst case
#
# An average hides its patients. Here is the new patient with whom the network did worst, and the
# one with whom it did best: what is true, and how sure the network was of each place.
# **What did it take for tumour?** What do those places have in common?

# %% name="worst" tags=["folded"]
each = {
    name: metrics.auroc(y_new[patients == name], scores[NETWORK][patients == name]) for name in new
}
worst, best = min(each, key=each.get), max(each, key=each.get)
figure, axes = plt.subplots(2, 3, figsize=(11, 7.6), layout="constrained")
for row, name, words in zip(axes, (worst, best), ("the worst", "the best")):
    grey, head, tumour = new[name]
    said = np.zeros(head.shape)
    said[head] = sure(network, grey[:2, head].T - 1)
    for ax, shown, title in zip(row, (grey[0], grey[1]), ("T1", "T2")):
        ax.imshow(shown, cmap="gray", vmin=0, vmax=np.percentile(shown[head], 99))
        ax.contour(tumour, [0.5], colors=TUMOUR, linewidths=1.5)
        ax.set_title(f"{title}, {words}: AUC {each[name]:.2f}")
    row[2].imshow(said, cmap="RdBu_r", vmin=0, vmax=1)
    row[2].contour(tumour, [0.5], colors="black", linewidths=1)
    row[2].set_title("How sure the network is")
    for ax in row:
        ax.axis("off")
plt.show()

# %% [markdown] name="third-words"
# ## What no knob can give you
#
# The network is close to the ceiling. More neurons will not help much: two places with the *same*
# two numbers get the same answer, whatever the network.
#
# But what if the third picture had been taken? The same small network, with **three** numbers.
#
# **Predict:** will it gain more from the third number than it gained from its neurons?

# %% name="third"
wider = torch.nn.Sequential(torch.nn.Linear(3, hidden), torch.nn.Tanh(), torch.nn.Linear(hidden, 1))
training.fit(
    wider, batches_of(x_all), wrongness, epochs=epochs, lr=0.05, device=desk.device, quiet=True
)
with_flair = metrics.auroc(y_new, sure(wider, x_new_all))
print(f"T1 and T2: {intervals[NETWORK].value:.3f}   with FLAIR: {with_flair:.3f}")
page.claim("flair", with_flair - intervals[NETWORK].value)

# %% [markdown] name="change-words"
# ## Change one thing
#
# Change **one** setting in the cell near the top, then choose *Run → Run All Cells*.
# Write down what you expect, before you look.
#
# | change | ask yourself |
# |---|---|
# | `hidden = 1` | Why is it no better than the line? |
# | `hidden = 2` | Are two lines a fence? |
# | `seed = 2` | Nothing but luck has changed. Which picture changes most? |

# %% [markdown] name="take-away"
# ## Take away
#
# - **A threshold, a line, a fence.** One number, one neuron, several neurons.
# - **Learning is turning knobs towards less wrong.** The loss says how wrong, the slope which way.
# - **Information beats knobs.** What is not in the numbers, no network finds.
#
# And the limit: real networks look at *neighbourhoods*, not at single places; that comes next. What
# you saw holds for these scans, in which tumours were put by a computer.

# %% name="limits"
print(f"{scans.card.title} ({scans.name}, version {scans.version})")
for limit in scans.card.limits:
    print("•", limit)

# %% [markdown] name="quiz-words"
# ## Quiz
#
# Each answer is explained, right or wrong, and you may try as often as you like.

# %% name="quiz"
page.quiz()

# %% [markdown] name="finish-words"
# ## Done
#
# Here is what you have reached. Your instructor sees it only if you say so.

# %% name="finish"
page.finish()
