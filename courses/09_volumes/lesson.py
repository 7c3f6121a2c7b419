# %% [markdown] name="card"
# # A tumour in millilitres
#
# **Measure where the seconds go, then make the largest part smaller.**
#
# In the next hour you will
#
# 1. turn outlines into millilitres, as a neurosurgeon needs them,
# 2. let a simple rule outline tumours, so that there is something to beat,
# 3. train a network that reads whole volumes, window by window,
# 4. climb a **speed ladder**: the same training, faster on each rung,
# 5. judge the outlines on patients whom nobody has met.
#
# Click on a cell and press **Shift + Enter** to run it, from top to bottom.
# Some cells are folded: a click on the three dots shows their code.

# %% name="imports"
import copy
import logging
import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from IPython.display import display
from matplotlib.patches import Rectangle
from monai.data import DataLoader, Dataset, ThreadDataLoader
from monai.inferers import sliding_window_inference
from monai.losses import DiceCELoss
from monai.networks.nets import UNet
from monai.transforms import Compose, LoadImaged, RandCropByPosNegLabeld, RandFlipd
from monai.utils import set_determinism
from scipy import ndimage
from torch.nn.functional import interpolate

from course_kit import READERS, metrics, open_page, training
from dicom_catalog import Catalog
from dicom_catalog.monai_reader import CatalogReader
from dicom_catalog.viewing import look

page = open_page("09_volumes", globals())

# %% [markdown] name="parameters-words"
# These settings are all that you will ever need to change. Leave them for the first run.

# %% name="parameters" tags=["parameters"]
dataset = "brain-mr"  # which volumes; the catalog knows their names
size = 96  # pixels along each side of a slice, as the network sees it
epochs = 24  # how often the network goes through all training volumes
seconds = 60  # training stops after this time, finished or not
rounds = 8  # how many batches are timed on each rung of the ladder
seed = 1  # the same seed deals the same cards

# %% [markdown] name="desk-words"
# ## Your desk
#
# What may this container use? The answer decides how fast you can be today.

# %% name="desk"
desk = page.desk()

# %% name="settings" tags=["folded"]
set_determinism(seed)
warnings.filterwarnings("ignore", module="monai")
logging.getLogger("monai").setLevel(logging.ERROR)
TRIVIAL, CLASSICAL, NETWORK, CEILING = (
    READERS.trivial,
    READERS.classical,
    READERS.network,
    READERS.ceiling,
)
COLOURS = READERS.colours
WINDOW = (16, 64, 64)  # slices, rows, columns that the network sees at once

# %% [markdown] name="story"
# ## The question
#
# *Has it grown?* Two scans, three months apart. On a single slice the tumour may look larger only
# because the head lay a little differently. The honest answer is a **volume**, in millilitres.
# For that, somebody has to outline the tumour on every slice.
#
# Here is one patient, from the neck up. Bright on FLAIR: the tumour with the swelling around it.

# %% name="first-look"
volumes = Catalog()[dataset].where(sequence="FLAIR")
train, validation, test = (volumes.split(name) for name in ("train", "validation", "test"))


def tumour_of(series):
    """True where the tumour or its swelling is: (slices, rows, columns)."""
    parts = series.masks().values()
    return np.logical_or.reduce([*parts]) if parts else np.zeros(series.array().shape, bool)


first = next(series for series in train.series if series.masks())
grey, tumour = first.array(), tumour_of(first)
figure, axes = plt.subplots(2, 5, figsize=(11, 4.8), layout="constrained")
for ax, number in zip(axes.flat, np.linspace(3, len(grey) - 3, 10).astype(int)):
    ax.imshow(grey[number], cmap="gray", vmax=np.percentile(grey, 99.8))
    if tumour[number].any():
        ax.contour(tumour[number], [0.5], colors="#f59e0b", linewidths=1.5)
    ax.set_title(f"slice {number}", fontsize=10, loc="left")
    ax.axis("off")
plt.show()

# %% [markdown] name="predict-words"
# ### Predict before you run
#
# Later we train the same network on the same patients in several ways. Only one thing changes:
# how the volumes get to the network.
#
# **How many times as fast will the fastest way be, beside the plain one?** Set the slider.

# %% name="predict"
page.predict("faster", 1, 10, 3, step=0.5)

# %% [markdown] name="viewer-words"
# ## Look: a volume is not a pile of pictures
#
# Scroll through the slices, and watch the other two planes follow. Find a patient whose tumour
# looks small on one slice and large on another.
#
# **Predict:** the dots of a slice are small, the slices are thick. On which plane do outlines have
# steps?
#
# <details><summary>Answer</summary>On the planes that cut across the slices: there each step is as
# high as a slice is thick.</details>

# %% name="viewer"
look(train, size=420)

# %% [markdown] name="volume-words"
# ## From dots to millilitres
#
# A volume is made of little boxes, **voxels**. Its `spacing` says how far they are apart, in mm:
# slice to slice, row to row, column to column. Their product is the volume of one voxel, in cubic
# millimetres. A millilitre has a thousand of these.
#
# **Your turn.** Replace the dots, run the cell, then the one below it. There are hints.


# %% name="volume"
def volume(mask, spacing):
    """The volume of a mask in millilitres; `mask` is True inside, `spacing` in mm."""
    voxels = np.sum(mask)
    # BEGIN SOLUTION
    return float(voxels * np.prod(spacing) / 1000)
    # END SOLUTION


# %% name="check-volume"
page.check("volume")

# %% name="volumes-table"
volume = page.answer("volume", otherwise=metrics.volume_ml)
apart = volumes.series_table().iloc[0]
spacing = tuple(float(apart[f"{way}_spacing"]) for way in ("slice", "row", "column"))
print(f"One voxel is {spacing[0]:g} × {spacing[1]:g} × {spacing[2]:g} mm.")
sizes = [volume(tumour_of(series), spacing) for series in train.series]
figure, ax = plt.subplots(figsize=(11, 2.6), layout="constrained")
ax.bar(range(len(sizes)), sorted(sizes), color="#f59e0b")
ax.set_title("Tumour with swelling, in ml: each bar a training patient", loc="left")
ax.set(xticks=[], ylabel="ml")
plt.show()
page.claim("spread", max(sizes) / min(size for size in sizes if size))

# %% [markdown] name="prepare-words"
# ## What the network gets
#
# Scanners do not agree on how bright a brain is. So each volume is divided by its own typical
# brightness. And we shrink the slices a little: fewer dots, fewer seconds. This is done **once**
# for each volume, and kept in a file. Remember that word, *once*.


# %% name="prepare"
def prepare(item):
    """One patient as the network sees it: (1, slices, size, size), typical brightness 1."""
    image, mask = (torch.as_tensor(item[name]).float() for name in ("image", "mask"))
    inside = image > 0.15 * image.max()
    image = image / image[inside].median()
    mask = mask.amax(0, keepdim=True)
    to = (image.shape[1], size, size)
    image = interpolate(image[None], to, mode="area")[0]
    mask = (interpolate(mask[None], to, mode="area")[0] >= 0.5).float()
    return {"image": image.contiguous(), "mask": mask.contiguous()}


def stacked(part):
    """All patients of a part: images, masks, and the masks at the scanner's own size."""
    kept = part.torch(transform=prepare).fill()
    x = torch.stack([kept[i]["image"] for i in range(len(kept))])
    y = torch.stack([kept[i]["mask"] for i in range(len(kept))])
    return x, y, np.stack([tumour_of(series) for series in part.series])


x_train, y_train, whole_train = stacked(train)
x_validation, y_validation, whole_validation = stacked(validation)
x_test, y_test, whole_test = stacked(test)
print(f"Training patients: {len(x_train)}, test patients: {len(x_test)}")

# %% [markdown] name="dice-words"
# ## How we keep score
#
# **Dice** asks how much two outlines share: twice the common part, divided by the sum of both.
# It is 0 where they do not touch, and 1 where they are equal.
#
# All outlines are brought back to the scanner's own size before they are compared. Somebody without
# a tumour has no Dice. For them we count how many millilitres were painted for nothing.


# %% name="dice"
def full_size(maps, whole):
    """Maps of the small grid, at the scanner's own size: True where above one half."""
    maps = torch.as_tensor(np.asarray(maps, dtype=np.float32))[None, None]
    return (interpolate(maps, whole.shape, mode="trilinear")[0, 0] > 0.5).numpy()


def dice_of(all_maps, all_whole):
    """Dice of each patient who has a tumour."""
    pairs = zip(all_maps, all_whole)
    return [metrics.dice(full_size(maps, whole), whole) for maps, whole in pairs if whole.any()]


ceiling = np.mean(dice_of(y_validation[:, 0], whole_validation))
print(f"Nobody can have more than {ceiling:.3f}: that much is left after shrinking and back.")
page.claim("ceiling", ceiling)

# %% [markdown] name="floor-words"
# ## The floor: two simple readers
#
# **The trivial reader** outlines nothing. Its Dice is zero, and it never frightens anybody.
#
# **The classical reader** marks what is brighter than a threshold, deep inside the head. But fat
# and noise are bright, too. So it keeps only the largest **island**: the voxels that hang together.
#
# **Your turn.** `ndimage.label` gives each island a number from one on, and 0 to what is no island.
# `sizes` counts the voxels of each number; that of 0 has been set to none. Keep the largest island.


# %% name="largest"
def largest(mask):
    """Only the largest island of a mask; an empty mask stays empty."""
    numbers, count = ndimage.label(mask)
    if count == 0:
        return np.zeros(mask.shape, bool)
    sizes = np.bincount(numbers.ravel())
    sizes[0] = 0
    # BEGIN SOLUTION
    return numbers == sizes.argmax()
    # END SOLUTION


# %% name="check-largest"
page.check("largest")


# %% name="classical"
def largest_island(mask):
    numbers, count = ndimage.label(mask)
    sizes = np.bincount(numbers.ravel())[1:]
    return numbers == sizes.argmax() + 1 if count else mask


largest = page.answer("largest", otherwise=largest_island)
flat = np.ones((1, 3, 3))


def classical(x, threshold):
    """What is brighter than the threshold, deep in the head, in one piece."""
    head = ndimage.binary_fill_holes(ndimage.binary_opening(x > 0.4, flat, iterations=2))
    deep = ndimage.binary_erosion(head, flat, iterations=size // 18)
    return largest(ndimage.binary_opening((x > threshold) & deep, flat))


def classical_dice(threshold):
    """The classical reader's mean Dice on the training patients."""
    marked = [classical(x[0].numpy(), threshold) for x in x_train]
    return np.mean(dice_of(marked, whole_train))


thresholds = np.arange(1.25, 1.51, 0.05)
best = max(thresholds, key=classical_dice)
classical_maps = [classical(x[0].numpy(), best) for x in x_validation]
floor = np.mean(dice_of(classical_maps, whole_validation))
print(
    f"The threshold that suits the training patients best: {best:.2f} times the typical brightness"
)
for name, one in {TRIVIAL: 0, CLASSICAL: floor, CEILING: ceiling}.items():
    print(f"{name:<20} {one:.2f}")

# %% [markdown] name="window-words"
# ## Build: a network with a window
#
# A whole volume may be too much for the memory at once. So the network looks through a **window**,
# a small block, and the window slides over the volume until all has been seen. Where windows
# overlap, the answers are averaged.
#
# **Your turn.** Where do the windows begin along one side? They begin at 0 and move on by `step`.
# What is missing is the last one: it must end exactly at the edge, or the last slices are never
# seen. Where the others end at the edge already, no further one is needed.


# %% name="starts"
def starts(length, window, step):
    """Where windows begin along a side of that length, so that all of it is seen."""
    begins = list(range(0, length - window + 1, step))
    # BEGIN SOLUTION
    if begins[-1] + window < length:
        begins.append(length - window)
    return begins
    # END SOLUTION


# %% name="check-starts"
page.check("starts")


# %% name="windows" tags=["folded"]
def all_starts(length, window, step):
    begins = list(range(0, length - window + 1, step))
    return begins if begins[-1] + window == length else [*begins, length - window]


starts = page.answer("starts", otherwise=all_starts)
rows = starts(size, WINDOW[1], WINDOW[1] * 3 // 4)
seen = np.zeros((size, size))
for top in rows:
    for left in rows:
        seen[top : top + WINDOW[1], left : left + WINDOW[2]] += 1
middle = x_train[1, 0, x_train.shape[2] // 2]
figure, (left_ax, right_ax) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
left_ax.imshow(middle, cmap="gray", vmax=1.8)
edges = plt.get_cmap("tab10")(range(len(rows) ** 2))
for colour, (top, left) in zip(edges, [(top, left) for top in rows for left in rows]):
    box = Rectangle((left + 1, top + 1), WINDOW[2] - 3, WINDOW[1] - 3, fill=False)
    box.set(color=colour, linewidth=3, alpha=0.9)
    left_ax.add_patch(box)
left_ax.set_title("The windows of one slice", loc="left")
shown = right_ax.imshow(seen, cmap="Blues", vmin=0)
right_ax.set_title("How often each dot is seen", loc="left")
figure.colorbar(shown, ax=right_ax, ticks=range(int(seen.max()) + 1))
for ax in (left_ax, right_ax):
    ax.axis("off")
plt.show()

# %% [markdown] name="build-words"
# The network is a **U-Net**: it shrinks what it sees, step by step, to understand *what* is there,
# and grows it again to say *where*. The first step leaves the slices as they are, because they are
# thick already.

# %% name="build"
network = UNet(
    spatial_dims=3,
    in_channels=1,
    out_channels=1,
    channels=(8, 16, 32, 32),
    strides=((1, 2, 2), 2, 2),
    norm="instance",
)
untrained = copy.deepcopy(network)  # each rung of the ladder begins with this one
loss = DiceCELoss(sigmoid=True, batch=True)
weights = sum(weight.numel() for weight in network.parameters())
print(f"{weights:,} weights to be learnt, from {len(x_train)} patients")


def outline(x):
    """How sure the network is of the tumour in each voxel, 0 to 1: window after window."""
    with torch.inference_mode():
        said = [
            sliding_window_inference(one[None].to(desk.device), WINDOW, 8, network, overlap=0.25)
            for one in x
        ]
    return [torch.sigmoid(one[0, 0].float()).cpu().numpy() for one in said]


def judge(network):
    """Mean Dice on the validation patients."""
    return float(np.mean(dice_of(outline(x_validation), whole_validation)))


# %% [markdown] name="cut-words"
# ### What it learns from: cuttings
#
# In each epoch we cut two blocks from each patient. Every second one is cut around the tumour, else
# the network would see healthy brain only, and learn to say nothing. Left and right are swapped now
# and then. The cell below does this for a whole batch at once, wherever the volumes lie: in memory,
# or on the graphics card.

# %% name="cut"
chance = np.random.default_rng(seed)
spots = {}  # where each patient's tumour is, looked up once


def place(mask):
    """Where a block begins: around the tumour every second time, else anywhere."""
    key = mask.data_ptr()
    if key not in spots:
        spots[key] = mask[0].nonzero().cpu().numpy()
    around = len(spots[key]) and chance.random() < 0.5
    middle = chance.choice(spots[key]) if around else chance.integers(mask.shape[1:])
    limits = np.subtract(mask.shape[1:], WINDOW)
    return np.clip(middle - np.array(WINDOW) // 2, 0, limits)


def cut(x, y, rows):
    """Two blocks of each patient in `rows`: images and masks of a batch."""
    images, masks = [], []
    for row in np.repeat(rows, 2):
        box = [slice(begin, begin + long) for begin, long in zip(place(y[row]), WINDOW)]
        pair = (x[row][:, *box], y[row][:, *box])
        if chance.random() < 0.5:
            pair = tuple(one.flip(-1) for one in pair)
        images.append(pair[0])
        masks.append(pair[1])
    return torch.stack(images), torch.stack(masks)


class Cuttings:
    """All patients once, in another order each time, four at once."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return -(-len(self.x) // 4)

    def __iter__(self):
        order = chance.permutation(len(self.x))
        return (cut(self.x, self.y, order[at : at + 4]) for at in range(0, len(order), 4))


# %% [markdown] name="train-words"
# ## Train, live
#
# Left the loss, right the Dice on the validation patients. The dashed line is the classical reader.
# Why does nothing seem to happen at first? The network learns to leave the healthy brain alone. Only
# then does it find the tumour. *Stop* ends it early; what has been learnt is kept.

# %% name="train"
here = Cuttings(x_train.to(desk.device), y_train.to(desk.device))
history = training.fit(
    network,
    here,
    loss,
    epochs=epochs,
    seconds=seconds,
    validate=judge,
    metric="Dice",
    lines={CLASSICAL: floor},
    lr=1e-2,
    device=desk.device,
)

# %% [markdown] name="ladder-words"
# ## The speed ladder
#
# A plain training opens the files of each patient, in each epoch, all over again. Then it prepares
# them again. And while it does, the network waits. Each rung takes away one reason to wait:
#
# 1. **plain**: MONAI reads the files and prepares each volume, every time,
# 2. **kept**: what is prepared is kept in a file, and only opened (`dataset.torch`),
# 3. **ahead**: a second worker fetches the next batch while the network learns from this one,
# 4. **half**: the network reckons with half as many digits (bfloat16),
# 5. **at hand**: all volumes lie where the network is, and blocks are cut there.
#
# The patients, the number of blocks and the network are the same on each rung.

# %% name="rungs"
random_part = Compose(
    [
        RandCropByPosNegLabeld(["image", "mask"], "mask", WINDOW, num_samples=2),
        RandFlipd(["image", "mask"], prob=0.5, spatial_axis=2),
    ]
)


def upright(item):
    """MONAI's order of axes (columns, rows, slices) turned into ours."""
    return {name: item[name].permute(0, 3, 2, 1).contiguous() for name in ("image", "mask")}


plain_steps = [
    LoadImaged("image", ensure_channel_first=True),
    LoadImaged("mask", reader=CatalogReader(), ensure_channel_first=True),
    upright,
    prepare,
    random_part,
]
plain = Dataset(train.items(), Compose(plain_steps))
kept = train.torch(transform=prepare, augment=random_part)
usual = {"batch_size": 4, "shuffle": True, "num_workers": 0}
ahead = ThreadDataLoader(kept, **usual, buffer_size=2)
PLAIN, KEPT, AHEAD = "plain loop", "+ kept in a file", "+ fetched ahead"
HALF, HAND = "+ half the digits", "+ all at hand"
rungs = {
    PLAIN: (DataLoader(plain, **usual), False),
    KEPT: (DataLoader(kept, **usual), False),
    AHEAD: (ahead, False),
    HALF: (ahead, True),
    HAND: (here, desk.device == "cuda"),
}

# %% [markdown] name="time-words"
# Here is the whole trick of measuring: look at the clock before a batch comes, and when it is there.
# The first is *waiting*, the rest is *learning*.


# %% name="time"
def timed(batches, half):
    """Seconds of one epoch that go into waiting for data, and into learning."""
    learner = copy.deepcopy(untrained).to(desk.device)
    optimizer = torch.optim.AdamW(learner.parameters())
    waiting, learning = [], []
    while len(waiting) <= rounds:
        clock = time.perf_counter()
        for batch in batches:
            x, y = batch if isinstance(batch, tuple) else (batch["image"], batch["mask"])
            x, y = x.to(desk.device), y.to(desk.device)
            arrived = time.perf_counter()
            with torch.autocast(desk.device, torch.bfloat16, enabled=half):
                wrong = loss(learner(x), y)
            optimizer.zero_grad()
            wrong.backward()
            optimizer.step()
            wrong.item()  # waits until the device is done
            waiting.append(arrived - clock)
            learning.append(time.perf_counter() - arrived)
            if len(waiting) > rounds:
                break
            clock = time.perf_counter()
    # The very first batch warms up and does not count.
    return [len(batches) * float(np.mean(parts[1:])) for parts in (waiting, learning)]


# %% name="ladder" tags=["folded"]
def draw_ladder(times):
    """The bars so far, each of two parts."""
    ax.clear()
    for number, (waiting, learning) in enumerate(times.values()):
        first, second = ("", "") if number else ("waiting for data", "learning")
        ax.barh(number, waiting, color="#f59e0b", label=first)
        ax.barh(number, learning, left=waiting, color=COLOURS[NETWORK], label=second)
        faster = sum(times[PLAIN]) / (waiting + learning)
        ax.text(waiting + learning, number, f"  {faster:.1f} ×", va="center")
    ax.set(yticks=range(len(rungs)), yticklabels=list(rungs), ylim=(len(rungs) - 0.5, -0.5))
    ax.set(xlabel="seconds an epoch", xlim=(0, 1.2 * max(map(sum, times.values()))))
    ax.set_title("The speed ladder: the same training, fed in five ways", loc="left")
    ax.legend(loc=4)


figure, ax = plt.subplots(figsize=(11, 3.6), layout="constrained")
plt.close(figure)
live = display(figure, display_id=True)
times = {}
for name, (batches, half) in rungs.items():
    times[name] = timed(batches, half)
    draw_ladder(times)
    live.update(figure)

# %% name="ladder-verdict" tags=["folded"]
one_epoch = {name: sum(parts) for name, parts in times.items()}
top = min(one_epoch, key=one_epoch.get)
faster = one_epoch[PLAIN] / one_epoch[top]
print(f"Fastest rung here: {top}, {faster:.1f} times as fast as the plain loop.")
gain = one_epoch[AHEAD] / one_epoch[HALF]
if gain > 1.05:
    print(f"Half as many digits: {gain:.1f} times as fast on this device.")
else:
    print("Half as many digits gained nothing here: this device reckons no faster with them.")
page.reveal("faster", faster)
page.claim("waiting", times[PLAIN][0] / times[HAND][0])
needed = next((n for n, score in enumerate(history.scores, 1) if score >= floor), None)
if needed:
    print(f"To pass the classical reader it took {needed} epochs. Feeding and learning alone:")
    for name in (PLAIN, top):
        print(f"  {name:<20} {needed * one_epoch[name]:.1f} s")

# %% [markdown] name="gain-words"
# ### How far up can a ladder go?
#
# Suppose that waiting takes a `share` of all seconds (0 to 1), and that you make waiting `times` as
# fast. The rest stays as it was. **Your turn:** how many times as fast is the whole?


# %% name="gain"
def gain(share, times):
    """How many times as fast the whole is, if a share of it becomes `times` as fast."""
    # BEGIN SOLUTION
    return 1 / ((1 - share) + share / times)
    # END SOLUTION


# %% name="check-gain"
page.check("gain")

# %% name="limit-of-feeding" tags=["folded"]
gain = page.answer("gain", otherwise=lambda share, times: 1 / (1 - share + share / times))
share = times[PLAIN][0] / one_epoch[PLAIN]
print(f"In the plain loop {100 * share:.0f} of 100 seconds were spent waiting.")
print(f"Feeding ten times as fast makes the whole {gain(share, 10):.1f} times as fast.")
print(f"Feeding for nothing would make it {gain(share, 1e9):.1f} times as fast, never more.")
factors = np.logspace(0, 3, 60)
figure, ax = plt.subplots(figsize=(11, 3), layout="constrained")
ax.plot(factors, [gain(share, one) for one in factors], color=COLOURS[NETWORK], linewidth=2)
ax.axhline(gain(share, 1e9), color="#94a3b8", linestyle="--")
ax.set_title("The whole gains less and less from a faster part", loc="left")
ax.set(xscale="log", xlabel="feeding is so many times as fast", ylabel="the whole")
plt.show()

# %% [markdown] name="judge-words"
# ## Judge
#
# Now the drawer with the test patients is opened, once. For each reader: the mean Dice of the
# patients with a tumour, and the range that holds 95 of 100 means if other patients like these had
# come. There are few, so look at the width first.

# %% name="judge"
outlines = {
    TRIVIAL: [np.zeros(x[0].shape) for x in x_test],
    CLASSICAL: [classical(x[0].numpy(), best) for x in x_test],
    NETWORK: [largest(map > 0.5) for map in outline(x_test)],
    CEILING: y_test[:, 0],
}
scores = {name: np.array(dice_of(maps, whole_test)) for name, maps in outlines.items()}
patients = np.arange(len(scores[NETWORK]))
intervals = {name: metrics.bootstrap(np.mean, patients, one) for name, one in scores.items()}
lead = metrics.bootstrap(np.mean, patients, scores[NETWORK] - scores[CLASSICAL])
for name, interval in intervals.items():
    print(f"{name:<12} {interval}")
print(f"Network minus classical: {lead.value:+.2f} ({lead.low:+.2f} to {lead.high:+.2f})")
page.claim("dice", intervals[NETWORK].value)
page.claim("lead", lead.value)

# %% name="millilitres" tags=["folded"]
true_ml = np.array([volume(whole, spacing) for whole in whole_test])
figure, (left_ax, right_ax) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
for number, (name, one) in enumerate(scores.items()):
    left_ax.plot(one, np.full(len(one), number), "o", color=COLOURS[name], alpha=0.5)
    ends = [intervals[name].low, intervals[name].high]
    left_ax.plot(ends, [number] * 2, color=COLOURS[name], linewidth=3)
left_ax.set(yticks=range(len(scores)), yticklabels=list(scores), xlim=(-0.03, 1.03), xlabel="Dice")
left_ax.set_title("Each dot a patient, each bar an interval", loc="left")
for name in (CLASSICAL, NETWORK):
    said = [
        volume(full_size(map, whole), spacing) for map, whole in zip(outlines[name], whole_test)
    ]
    right_ax.plot(true_ml, said, "o", color=COLOURS[name], markersize=9, alpha=0.8, label=name)
    for said_ml, ml in zip(said, true_ml):
        if ml == 0:
            print(f"{name}: {said_ml:.1f} ml painted in a patient without a tumour")
most = max(true_ml) * 1.2
right_ax.plot([0, most], [0, most], color="#94a3b8", linestyle="--")
right_ax.set(xlabel="true ml", ylabel="outlined ml")
right_ax.set_title("The neurosurgeon's number", loc="left")
right_ax.legend(loc=2)
plt.show()

# %% [markdown] name="worst-words"
# ## The worst cases
#
# The patients with the lowest Dice of the network, each on the slice with the most tumour. Dashed
# orange is the truth, blue is the network. **Where does it go wrong: at the rim, or in a whole part?**

# %% name="worst" tags=["folded"]
with_tumour = [number for number, whole in enumerate(whole_test) if whole.any()]
order = [with_tumour[place] for place in np.argsort(scores[NETWORK])][:3]
figure, axes = plt.subplots(1, 3, figsize=(11, 4), layout="constrained")
for ax in axes:
    ax.axis("off")
for ax, number in zip(axes, order):
    whole = whole_test[number]
    said = full_size(outlines[NETWORK][number], whole)
    grey, at = test.series[number].array(), whole.sum((1, 2)).argmax()
    ax.imshow(grey[at], cmap="gray", vmax=np.percentile(grey, 99.8))
    ax.contour(whole[at], [0.5], colors="#f59e0b", linewidths=1.5, linestyles="--")
    if said[at].any():
        ax.contour(said[at], [0.5], colors="#2563eb", linewidths=1.5)
    far = metrics.hd95(said, whole, spacing)
    ax.set_title(f"Dice {metrics.dice(said, whole):.2f}, rim off by {far:.0f} mm", loc="left")
plt.show()

# %% [markdown] name="change-words"
# ## Change one thing
#
# Change **one** setting in the cell near the top, then choose *Run → Run All Cells*.
# Write down what you expect, before you look.
#
# | change | ask yourself |
# |---|---|
# | `seed = 2` | Nothing but luck has changed. How much does the Dice move? |
# | `size = 72` | Fewer dots: what becomes faster, and what falls with the ceiling? |
# | `epochs = 10` | Does the network still pass the classical reader? |

# %% [markdown] name="quiz-words"
# ## Quiz
#
# Each answer is explained, right or wrong, and you may try as often as you like.

# %% name="quiz"
page.quiz()

# %% [markdown] name="take-away"
# ## Take away
#
# - **Measure where the seconds go, then make the largest part smaller.** Everything else is a guess.
# - **Once is enough.** What is the same in each epoch need not be done in each epoch.
# - **A volume is a number with an interval.** With few patients it is a wide one, and says so.
#
# And the limit: what you saw holds for *these* volumes, on *this* machine. The next cell repeats
# what the data set says about itself.

# %% name="limits"
print(f"{volumes.card.title} ({volumes.name}, version {volumes.version})")
for line in volumes.card.limits:
    print("•", line)

# %% [markdown] name="finish-words"
# ## Done
#
# Here is what you have reached. Your instructor sees it only if you say so.

# %% name="finish"
page.finish()
