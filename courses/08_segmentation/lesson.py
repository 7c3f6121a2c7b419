# %% [markdown] name="card"
# # Where does it end?
#
# **A mask is a claim about every single pixel, and it takes two rulers to judge it.**
#
# In the next hour you will
#
# 1. draw the outline of a mass yourself, and learn how good you are,
# 2. write down a rule that draws it,
# 3. train a network that draws it,
# 4. measure all of them with two rulers, on new patients,
# 5. look for the misses that an average hides.
#
# Click on a cell and press **Shift + Enter**, from top to bottom.

# %% name="imports"
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.colors import to_rgba
from monai.losses import DiceCELoss
from monai.networks.nets import UNet
from monai.utils import set_determinism
from scipy import ndimage

from course_kit import READERS, metrics, open_page, training
from course_kit.widgets.painter import MaskPainter
from dicom_catalog import Catalog
from dicom_catalog.viewing import look

page = open_page("08_segmentation", globals())

# %% [markdown] name="parameters-words"
# These settings are all that you will need to change. Leave them for the first run.

# %% name="parameters" tags=["parameters"]
dataset = "breast-us"  # which images; they must come with masks
size = 96  # pixels along each side of what is learnt from
epochs = 40  # how often the network goes through all training images
seconds = 90  # training stops after this time, finished or not
seed = 1  # the same seed deals the same cards

# %% name="desk"
desk = page.desk()

# %% name="settings" tags=["folded"]
set_determinism(seed)
TRIVIAL, CLASSICAL, NETWORK = READERS.trivial, READERS.classical, READERS.network
COLOURS = READERS.colours

# %% [markdown] name="story"
# ## The question
#
# A woman has felt a lump. In ultrasound a **mass** is a darker region. How large is it, and has it
# grown since spring? To answer, somebody must say where it ends: for every pixel, in or out. Such a
# drawing is a **mask**, and making it is called **segmentation**.

# %% name="scans"
scans = Catalog()[dataset]
scans

# %% name="first-look" tags=["folded"]
train, validation, test = (scans.split(name) for name in ("train", "validation", "test"))


def as_numbers(part):
    """Images (n, 1, size, size) from 0 to 1, their masks, and the patients."""
    items = part.torch(size=size, cache=False).loaded
    both = [items[number] for number in range(len(items))]
    x = np.stack([item["image"].mean(axis=0, keepdims=True) for item in both])
    y = np.stack([item["mask"].max(axis=0, keepdims=True) for item in both])
    return x.astype(np.float32), y.astype(np.float32), part.table()["patient_id"].to_numpy()


def spacings(part):
    """How high and wide each pixel of what is learnt from is: in mm, where the file says so."""
    return [np.multiply(one.spacing or (1, 1), max(one.rows, one.columns) / size) for one in part]


def draw(ax, grey, title="", **masks):
    """One image, and the outline of each mask in the colour that it is given under."""
    ax.imshow(grey, cmap="gray", vmin=0, vmax=1)
    for colour, mask in masks.items():
        if np.any(mask):
            ax.contour(mask, [0.5], colors=[colour], linewidths=1.6)
    ax.set_title(title, fontsize=10)
    ax.axis("off")


x_train, y_train, _ = as_numbers(train)
unit = "mm" if train[0].spacing else "px"
marked = [number for number in range(len(train)) if y_train[number].any()]
figure, axes = plt.subplots(2, 4, figsize=(11, 5.8), layout="constrained")
for ax, number in zip(axes[0], marked):
    draw(ax, x_train[number, 0])
for ax, number in zip(axes[1], marked):
    draw(ax, x_train[number, 0], orange=y_train[number, 0])
axes[0, 0].set_title("The image alone")
axes[1, 0].set_title("The truth in orange")
plt.show()

# %% [markdown] name="viewer-words"
# Go through the patients in the viewer. The mask can be switched on and off in the legend.
# Look at the edge: is it sharp everywhere? Where would two doctors disagree?

# %% name="viewer"
look(train, size=420)

# %% [markdown] name="painter-words"
# ## Draw it yourself
#
# Draw the mass, fill it, and read your score. **Dice** tells how much of the area you share with the
# truth: one is perfect, zero is nothing shared. **HD95** tells how far the two outlines lie apart, in
# millimetres, leaving out the worst twentieth.
#
# **Predict first:** how high will your Dice be?

# %% name="predict"
page.predict("own-dice", 0, 1, 0.8)

# %% name="painter"
shown = train.torch(size=4 * size, cache=False).loaded[marked[2]]
painter = MaskPainter(
    shown["image"].mean(axis=0), shown["mask"].max(axis=0), spacings(train)[marked[2]] / 4, unit
)
painter

# %% name="own" tags=["folded"]
if painter.mask.any():
    page.reveal("own-dice", painter.dice)
else:
    print("Nothing is drawn yet. Draw above, then run this cell again.")

# %% [markdown] name="ruler-words"
# ## The ruler
#
# Dice is twice the area that both share, divided by the sum of both areas.
#
# **Your turn.** `mask` and `truth` are tables of 0 and 1 of the same shape. `&` is "and": where both
# say yes. Careful: if both are empty there is nothing to divide by, and they agree fully.


# %% name="dice"
def dice(mask, truth):
    """How far two masks agree, from 0 to 1."""
    mask, truth = np.asarray(mask).astype(bool), np.asarray(truth).astype(bool)
    total = mask.sum() + truth.sum()
    # BEGIN SOLUTION
    return 2 * (mask & truth).sum() / total if total else 1.0
    # END SOLUTION


# %% name="check-dice"
page.check("dice")

# %% [markdown] name="area-words"
# A doctor does not want pixels but square millimetres. The image's header knows the **spacing**: how
# many millimetres lie between one pixel and the next, down and across.
#
# **Your turn.** Turn a mask into an area.


# %% name="area"
def area(mask, spacing):
    """The area of a mask in square millimetres; `spacing` is (down, across) in mm."""
    # BEGIN SOLUTION
    return np.sum(mask) * spacing[0] * spacing[1]
    # END SOLUTION


# %% name="check-area"
page.check("area")

# %% name="areas" tags=["folded"]
area = page.answer("area", otherwise=lambda mask, spacing: np.sum(mask) * np.prod(spacing))
sizes = [area(*pair) for pair in zip(y_train[marked, 0], np.array(spacings(train))[marked])]
print(f"Areas in training: {np.min(sizes):.0f} to {np.max(sizes):.0f} {unit}²")
print(f"Half of them above {np.median(sizes):.0f} {unit}²")

# %% [markdown] name="rulers-words"
# ### Why two rulers
#
# Here are two drawings (blue) of one mass (orange). One is too large all around. The other is right,
# but has a spot where nothing is. **Predict:** which is worse? Ask both rulers.
#
# <details><summary>Answer</summary>Dice counts area, and both added the same. HD95 follows the
# outlines, and the spot is far away. For an operation the spot is worse: it points to another
# place.</details>

# %% name="rulers" tags=["folded"]
truth, step = y_train[marked[2], 0] > 0, spacings(train)[marked[2]]
large = ndimage.binary_dilation(truth, iterations=2)
inner = np.pad(np.ones([size - 2 * (size // 6)] * 2), size // 6)
place = np.unravel_index((ndimage.distance_transform_edt(~truth) * inner).argmax(), truth.shape)
down, across = np.indices(truth.shape)
away = np.hypot(down - place[0], across - place[1])
extra = np.sort(away[~truth])[int(large.sum() - truth.sum()) - 1]
stray = truth | (away <= extra)
figure, axes = plt.subplots(1, 3, figsize=(11, 3.9), layout="constrained")
draw(axes[0], x_train[marked[2], 0], "The truth", orange=truth)
for ax, drawn in zip(axes[1:], (large, stray)):
    far = metrics.hd95(drawn, truth, step)
    title = f"Dice {metrics.dice(drawn, truth):.2f}, HD95 {far:.1f} {unit}"
    draw(ax, x_train[marked[2], 0], title, dodgerblue=drawn, orange=truth)
plt.show()

# %% [markdown] name="floor-words"
# ## The floor
#
# **The trivial reader** draws the average: each pixel that is inside in many training masks.
#
# **The classical reader** follows a rule. It smooths the image, asks where it differs from its wider
# neighbourhood by more than a threshold, leaves out what touches the rim, and keeps the largest spot.
# Which threshold, and whether one spot or all, it learns from the training images.
#
# **Your turn.** `ndimage.label` gives each spot of a mask a number, from 1 up; 0 is the background.
# `sizes` holds how many pixels each number has. Return the mask of the largest spot alone.


# %% name="largest"
def largest(mask):
    """The largest connected spot of a mask, alone."""
    spots, count = ndimage.label(mask)
    if count == 0:
        return np.zeros_like(mask, dtype=bool)
    sizes = np.bincount(spots.ravel())
    sizes[0] = 0
    # BEGIN SOLUTION
    return spots == np.argmax(sizes)
    # END SOLUTION


# %% name="check-largest"
page.check("largest")

# %% name="classical" tags=["folded"]
dice = page.answer("dice", otherwise=metrics.dice)


def biggest(mask):
    """The page's own, for as long as yours is not ready."""
    spots, count = ndimage.label(mask)
    return spots == 1 + np.argmax(np.bincount(spots.ravel())[1:]) if count else mask


largest = page.answer("largest", otherwise=biggest)


def contrast(grey):
    """How much brighter each place is than its wider neighbourhood."""
    broad = ndimage.gaussian_filter(grey, size / 9)
    return (ndimage.gaussian_filter(grey, size / 100) - broad) / (broad + 0.04)


def off_the_rim(mask):
    """A mask without the spots that touch the rim: the frame is no finding."""
    spots = ndimage.label(mask)[0]
    inner = np.zeros(mask.shape, dtype=bool)
    inner[size // 16 : -size // 16, size // 16 : -size // 16] = True
    return mask & ~np.isin(spots, np.unique(spots[~inner]))


def follow_rule(grey, sign, threshold, one):
    """The classical reader's mask, for one setting of its rule."""
    spots = ndimage.binary_opening(sign * contrast(grey) > threshold)
    spots = off_the_rim(spots) if one else spots
    return ndimage.binary_dilation(ndimage.binary_fill_holes(largest(spots) if one else spots))


# %% name="floor" tags=["folded"]
def mean_dice(masks, y):
    """Mean Dice over the images that hold anything."""
    return float(np.mean([dice(mask, truth[0]) for mask, truth in zip(masks, y) if truth.any()]))


rules = [(s, t, one) for s in (-1, 1) for t in (0.1, 0.15, 0.2, 0.3, 0.5) for one in (True, False)]
tried = [
    mean_dice([follow_rule(x[0], *rule) for x in x_train[::2]], y_train[::2]) for rule in rules
]
rule = rules[int(np.argmax(tried))]
x_validation, y_validation, _ = as_numbers(validation)
average = y_train.mean(axis=0)[0] >= 0.5 * y_train.mean(axis=0).max()
floor = {
    TRIVIAL: mean_dice([average] * len(x_validation), y_validation),
    CLASSICAL: mean_dice([follow_rule(x[0], *rule) for x in x_validation], y_validation),
}
for name, value in floor.items():
    print(f"{name}: Dice {value:.2f} on the validation patients")

# %% [markdown] name="build-words"
# ## Build the network
#
# A **U-Net** looks at the image at several scales. On its way down it sees more and more at once, and
# forgets where exactly; on its way up it gets the exact places back through bridges from each scale.
# For each pixel it gives a score: above zero means inside.

# %% name="build"
network = UNet(
    spatial_dims=2,
    in_channels=1,
    out_channels=1,
    channels=(16, 32, 64, 96),
    strides=(2, 2, 2),
    norm="batch",
    act="relu",
)
print(f"{sum(weight.numel() for weight in network.parameters()):,} weights to be learnt")

# %% [markdown] name="augment-words"
# Each time the network meets an image, it is mirrored, moved, or made a little lighter or darker. The
# mask must move with it, or the network would learn from lies. But it must not change its brightness.
#
# **Your turn.** `flip` turns image and mask of a batch around, left to right: `torch.flip(x, dims=(-1,))`
# turns the last axis. Return both, image first.


# %% name="flip"
def flip(x, y):
    """Image and mask, both mirrored left to right."""
    # BEGIN SOLUTION
    return torch.flip(x, dims=(-1,)), torch.flip(y, dims=(-1,))
    # END SOLUTION


# %% name="check-flip"
page.check("flip")

# %% name="augment" tags=["folded"]
flip = page.answer("flip", otherwise=lambda x, y: (x.flip(-1), y.flip(-1)))


def augment(x, y):
    """A batch as it might have been: mirrored, moved, lighter or darker."""
    if torch.rand(()) < 0.5:
        x, y = flip(x, y)
    down, across = torch.randint(-size // 12, size // 12 + 1, (2,)).tolist()
    x, y = (torch.roll(part, (down, across), (-2, -1)) for part in (x, y))
    return x ** (0.7 + 0.6 * torch.rand(len(x), 1, 1, 1)), y


# %% [markdown] name="train-words"
# ## Train, live
#
# The loss has two parts: one asks each pixel, the other is one minus Dice. Left it sinks, right the
# Dice on the validation patients grows. The dashed line is the classical reader.
# **When will the network pass it?**

# %% name="train"
history = training.fit(
    network,
    training.batches(x_train, y_train, 8, augment=augment, seed=seed),
    DiceCELoss(sigmoid=True, batch=True),
    validate=lambda net: mean_dice(
        training.predict(net, x_validation, desk.device)[:, 0] > 0, y_validation
    ),
    metric="Dice",
    lines={CLASSICAL: floor[CLASSICAL]},
    lr=1e-2,
    epochs=epochs,
    seconds=seconds,
    device=desk.device,
)

# %% [markdown] name="judge-words"
# ## Judge: open the drawer
#
# Now the test patients, once, with both rulers. We draw patients again and again to see how far the
# mean would wander with other patients: the range that holds 95 of 100 draws is the interval.

# %% name="judge"
x_test, y_test, patients = as_numbers(test)
masks = {
    TRIVIAL: np.repeat(average[None], len(x_test), axis=0),
    CLASSICAL: np.stack([follow_rule(x[0], *rule) for x in x_test]),
    NETWORK: training.predict(network, x_test, desk.device)[:, 0] > 0,
}
has = y_test.any(axis=(1, 2, 3))
truths, steps = y_test[has, 0] > 0, np.array(spacings(test))[has]
dices = {
    name: np.array([dice(*pair) for pair in zip(mask[has], truths)]) for name, mask in masks.items()
}
ways = {
    name: np.array([metrics.hd95(*three) for three in zip(mask[has], truths, steps)])
    for name, mask in masks.items()
}
intervals = {
    name: metrics.bootstrap(np.mean, patients[has], one, seed=seed) for name, one in dices.items()
}
ahead = dices[NETWORK] - dices[CLASSICAL]
lead = metrics.bootstrap(np.mean, patients[has], ahead, seed=seed)
results = pd.DataFrame(
    {name: [str(one), f"{np.median(ways[name]):.1f}"] for name, one in intervals.items()},
    index=["Dice (95 % interval)", f"HD95 (median, {unit})"],
).T
results

# %% name="judge-picture" tags=["folded"]
areas = np.array([area(*pair) for pair in zip(truths, steps)])
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
for place, name in enumerate(masks):
    one = intervals[name]
    left.plot([one.low, one.high], [place, place], color=COLOURS[name], linewidth=4)
    left.plot(one.value, place, "o", color=COLOURS[name], markersize=10)
    left.text(one.value, place + 0.17, f"{one.value:.2f}", ha="center", color=COLOURS[name])
left.set(title="Mean Dice on the test patients, with its 95 % interval", xlim=(-0.03, 1.03))
left.set(ylim=(-0.5, 2.6), yticks=range(3), yticklabels=masks)
for name in (CLASSICAL, NETWORK):
    right.plot(areas, dices[name], "o", color=COLOURS[name], alpha=0.7, label=name)
right.set(title="Dice of each test image", xlabel=f"area in {unit}²", ylim=(-0.03, 1.03))
right.legend()
plt.show()
print(f"Lead of the network over the rule: {lead.value:+.2f} ({lead.low:+.2f} to {lead.high:+.2f})")
page.claim("lead", lead.value)
page.claim("network", intervals[NETWORK].value)

# %% [markdown] name="gallery-words"
# Numbers need pictures. Below, four test patients: the truth in orange, and in colour what each
# reader took for the mass.

# %% name="gallery" tags=["folded"]
numbers = np.flatnonzero(has)
figure, axes = plt.subplots(2, 4, figsize=(11, 5.9), layout="constrained")
for row, name in zip(axes, (CLASSICAL, NETWORK)):
    for ax, place in zip(row, np.linspace(0, len(numbers) - 1, 4).astype(int)):
        mask = masks[name][numbers[place]]
        title = f"{name}: Dice {dices[name][place]:.2f}"
        draw(ax, x_test[numbers[place], 0], title, orange=truths[place])
        tint = np.zeros((*mask.shape, 4))
        tint[mask] = to_rgba(COLOURS[name], 0.45)
        ax.imshow(tint)
plt.show()

# %% [markdown] name="worst-words"
# ## The worst cases
#
# An average hides its patients. Here are those on whom the network did worst. Orange is the truth,
# blue the network, and above each stands its Dice. **What did it take for the mass, or miss?**

# %% name="worst"
order = dices[NETWORK].argsort()[:4]
figure, axes = plt.subplots(1, 4, figsize=(11, 3), layout="constrained")
for ax, place in zip(axes, order):
    number = numbers[place]
    pair = {"orange": y_test[number, 0], "dodgerblue": masks[NETWORK][number]}
    draw(ax, x_test[number, 0], f"Dice {dices[NETWORK][place]:.2f}", **pair)
plt.show()
free = masks[NETWORK][~has]
print(f"Images with nothing to find: {len(free)}")
print(f"The network draws something in {int(free.any((1, 2)).sum())} of them.")

# %% [markdown] name="change-words"
# ## Change one thing
#
# Change **one** setting near the top, then choose *Run → Run All Cells*. First write down what you
# expect.
#
# | change | ask yourself |
# |---|---|
# | `seed = 2` | Nothing but luck has changed. How far does the Dice move? |
# | `size = 48` | Which ruler suffers first, Dice or HD95? |
# | `epochs = 15` | Is it worse everywhere, or only for small masses? |

# %% [markdown] name="quiz-words"
# ## Quiz

# %% name="quiz"
page.quiz()

# %% [markdown] name="take-away"
# ## Take away
#
# - **Two rulers.** Dice speaks of area, HD95 of the outline. A good mask is good on both.
# - **Small things weigh little.** In a large mass a wrong rim costs little Dice; a small one is lost by it.
# - **Look at the misses.** And at the images where nothing should be drawn: Dice says nothing of them.
#
# And the limit: it holds for *these* images, and for patients like *these*.

# %% name="limits"
print(f"{scans.card.title} ({scans.name}, version {scans.version})")
for line in scans.card.limits:
    print("•", line)

# %% name="finish"
page.finish()
