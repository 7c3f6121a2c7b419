# %% [markdown] name="card"
# # Is there one, and where?
#
# **A detector is not right or wrong: it sells findings for false marks, and you set the price.**
#
# In the next hour you will
#
# 1. look for polyps yourself,
# 2. compare boxes, and thin out those that mean the same thing,
# 3. let a rule and a network look,
# 4. build the curve that tells what a finding costs,
# 5. look at what was missed, and at what fooled the network.
#
# Click on a cell and press **Shift + Enter**, from top to bottom.

# %% name="imports"
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.patches import Rectangle
from monai.utils import set_determinism
from scipy import ndimage

from course_kit import READERS, detection, metrics, open_page, training
from course_kit.widgets.frocs import FrocBuilder
from course_kit.widgets.nms import NmsExplorer
from dicom_catalog import Catalog
from dicom_catalog.viewing import look

page = open_page("10_detection", globals())

# %% [markdown] name="parameters-words"
# These settings are all that you will need to change. Leave them for the first run.

# %% name="parameters" tags=["parameters"]
dataset = "endoscopy"  # which images; they must come with boxes
what = ""  # which of the marked things is looked for; empty: the first that the data set names
size = 128  # pixels along each side of what is learnt from
epochs = 50  # how often the network goes through all training images
seconds = 100  # training stops after this time, finished or not
seed = 1  # the same seed deals the same cards

# %% name="desk"
desk = page.desk()

# %% name="settings" tags=["folded"]
set_determinism(seed)
CLASSICAL, NETWORK, CEILING = READERS.classical, READERS.network, READERS.ceiling
COLOURS = READERS.colours

# %% [markdown] name="story"
# ## The question
#
# A **polyp** is a small bump in the wall of the bowel. Most are harmless; some become cancer. The
# doctor sees thousands of pictures in one examination, and every one that slips by counts. A
# **detector** looks along and marks each suspicious place with a **box**.

# %% name="scans"
scans = Catalog()[dataset]
scans

# %% name="first-look" tags=["folded"]
train, validation, test = (scans.split(name) for name in ("train", "validation", "test"))


def as_numbers(part):
    """Images (n, channels, size, size), the boxes of each (top, left, bottom, right), patients."""
    loaded = part.torch(size=size, cache=False, boxes=True).loaded
    items = [loaded[number] for number in range(len(loaded))]
    kind = loaded.box_names.index(what or loaded.box_names[0])
    boxes = [
        [
            (top, left, bottom, right)
            for (left, top, right, bottom), name in zip(item["boxes"], item["box_labels"])
            if name == kind
        ]
        for item in items
    ]
    x = np.stack([item["image"] for item in items]).astype(np.float32)
    return x, boxes, part.table()["patient_id"].to_numpy()


def draw(ax, image, title="", **boxes):
    """One image, with boxes in the colours that they are given under."""
    ax.imshow(np.moveaxis(image, 0, -1).squeeze(), cmap="gray", vmin=0, vmax=1)
    for colour, own in boxes.items():
        for top, left, bottom, right in own:
            place = {"fill": False, "color": colour, "linewidth": 2}
            ax.add_patch(Rectangle((left, top), right - left, bottom - top, **place))
    ax.set_title(title, fontsize=10)
    ax.axis("off")


x_train, b_train, _ = as_numbers(train)
marked = [number for number, boxes in enumerate(b_train) if boxes]
figure, axes = plt.subplots(2, 4, figsize=(11, 5.8), layout="constrained")
for column, number in enumerate(marked[::3][:4]):
    draw(axes[0, column], x_train[number])
    draw(axes[1, column], x_train[number], orange=b_train[number])
axes[0, 0].set_title("As the camera sees it")
axes[1, 0].set_title("The truth in orange")
plt.show()

# %% [markdown] name="viewer-words"
# Go through the pictures. Guess first, then switch the box on. What else looks like one: folds,
# bubbles, a bright reflection?

# %% name="viewer"
look(train, size=420, marks=False)

# %% [markdown] name="predict-words"
# ### Predict before you run
#
# The network may raise one false mark an image. **How large a share of all findings will it mark on
# new patients?**

# %% name="predict"
page.predict("sensitivity", 0, 1, 0.5)

# %% [markdown] name="iou-words"
# ## When do two boxes mean the same?
#
# A box is four numbers: top, left, bottom, right. Two boxes overlap in a smaller box, or not at all.
# The **IoU** is the area that both share, divided by the area that either has: zero is apart, one is
# equal.
#
# **Your turn.** The shared height and width are there. If one of them is negative, the boxes are apart.


# %% name="iou"
def iou(one, other):
    """How far two boxes overlap, from 0 to 1."""
    height = max(0, min(one[2], other[2]) - max(one[0], other[0]))
    width = max(0, min(one[3], other[3]) - max(one[1], other[1]))
    shared = height * width
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    # BEGIN SOLUTION
    return shared / (areas[0] + areas[1] - shared)
    # END SOLUTION


# %% name="check-iou"
page.check("iou")

# %% [markdown] name="thin-words"
# ## Thin out
#
# A detector marks one polyp many times. So we go through its boxes from the surest down, and keep a
# box only if it overlaps none of those kept before by more than a limit. This is called **non-maximum
# suppression**.
#
# **Your turn.** Write the condition under which the box `number` is kept. `kept` holds the numbers of
# the boxes that were kept so far, and `overlap_of` gives the IoU of two boxes.


# %% name="thin"
def overlap_of(one, other):
    """The page's own IoU, so that this cell works by itself."""
    return metrics.box_iou(one, other)


def thin(boxes, scores, limit):
    """The numbers of the boxes to keep, the surest first."""
    kept = []
    for number in np.argsort(scores)[::-1]:
        keep = None
        # BEGIN SOLUTION
        keep = all(overlap_of(boxes[number], boxes[other]) <= limit for other in kept)
        # END SOLUTION
        if keep is None:
            return None
        if keep:
            kept.append(int(number))
    return kept


# %% name="check-thin"
page.check("thin")

# %% [markdown] name="explorer-words"
# Here are boxes as a detector may give them. Move the first slider. **At which limit do two polyps side
# by side become one? At which does one polyp count twice?**

# %% name="explorer" tags=["folded"]
chance = np.random.default_rng(seed)
number = next(place for place in marked if b_train[place])
true = np.array(b_train[number])
near = np.repeat(true, 9, axis=0) + chance.normal(0, size / 40, (9 * len(true), 4))
sure = np.clip(0.9 - np.abs(near - np.repeat(true, 9, axis=0)).mean(1) / size * 12, 0.1, 0.95)
spots = chance.uniform(0.1, 0.8, (4, 2)) * size
stray = np.concatenate([spots, spots + chance.uniform(0.08, 0.2, (4, 2)) * size], axis=1)
explorer = NmsExplorer(
    np.moveaxis(x_train[number], 0, -1).squeeze(),
    np.concatenate([near, stray]),
    np.concatenate([sure, chance.uniform(0.05, 0.4, 4)]),
    true,
)
explorer

# %% [markdown] name="count-words"
# ## What does a finding cost?
#
# Each mark has a score. We count only marks from a threshold on. Of those, some **hit** a finding, and
# the others are false. Two numbers tell all: the share of findings that is marked (**sensitivity**), and
# how many false marks there are for each image.
#
# **Your turn.** `scores` and `hits` have one entry a mark. Return both numbers, false marks an image first.


# %% name="point"
def point(scores, hits, findings, images, threshold):
    """False marks an image, and the share of findings that is marked, from `threshold` on."""
    scores, hits = np.asarray(scores), np.asarray(hits).astype(bool)
    counted = scores >= threshold
    # BEGIN SOLUTION
    return (counted & ~hits).sum() / images, (counted & hits).sum() / findings
    # END SOLUTION


# %% name="check-point"
page.check("point")

# %% [markdown] name="floor-words"
# ## The floor
#
# **The classical reader** looks for bumps: places where the brightness bulges in every direction at once.
# A fold bulges in one direction only, and does not count; reflections are left out. It looks at three
# sizes. Whether bright or dark things are sought, and how large a box to draw around, it learns from the
# training images. A trivial reader would mark nothing, and find nothing.

# %% name="classical" tags=["folded"]
SIZES = np.array([3.5, 5, 7]) * size / 128


def bulges(bright, seen, wide):
    """How much the brightness bulges at each place, in the direction in which it bulges least."""
    there = ndimage.gaussian_filter(seen, wide * 0.6)
    field = ndimage.gaussian_filter(bright * seen, wide * 0.6) / np.maximum(there, 0.05)
    orders = ((2, 0), (0, 2), (1, 1))
    down, across, both = (ndimage.gaussian_filter(field, size / 128, one) for one in orders)
    weaker = -(down + across + np.sqrt((down - across) ** 2 + 4 * both**2)) / 2
    return weaker * wide**2 * (ndimage.gaussian_filter(seen, wide * 0.5) > 0.4)


def spots_of(image, sign, gain, most=8):
    """The strongest bumps of one image as boxes with scores."""
    grey, found = image.mean(axis=0), []
    glare = ndimage.binary_dilation(image.min(axis=0) > 0.62) if sign > 0 else grey > 2
    rim = ndimage.binary_erosion(ndimage.binary_fill_holes(grey > 0.05), iterations=3)
    seen = (~glare & rim & (grey > 0.12)).astype(float)
    for wide in SIZES:
        strong = bulges(sign * np.log(np.maximum(grey, 0.05)), seen, wide)
        peaks = (strong == ndimage.maximum_filter(strong, int(2 * wide))) & (strong > 1e-6)
        for row, column in np.argwhere(peaks):
            half = gain * wide
            box = (row - half, column - half, row + half, column + half)
            found.append((float(strong[row, column]), box))
    found.sort(key=lambda one: -one[0])
    boxes, scores = [box for _, box in found[:40]], [score for score, _ in found[:40]]
    kept = detection.nms(boxes, scores, 0.3)[:most]
    return [(boxes[place], scores[place]) for place in kept]


# %% name="marks" tags=["folded"]
def marks_of(x, reader):
    """All marks of a reader on all images, for the FROC."""
    return [
        metrics.Mark(number, float(score), box)
        for number, image in enumerate(x)
        for box, score in reader(image)
    ]


def froc(marks, boxes):
    """The curve, a box counting as a hit from an IoU of 0.3 on."""
    return metrics.froc(marks, dict(enumerate(boxes)), images=len(boxes), overlap=0.3)


# %% name="floor"
tried = {
    (sign, gain): froc(
        marks_of(x_train[::3], lambda image, s=sign, g=gain: spots_of(image, s, g)), b_train[::3]
    ).mean
    for sign in (-1, 1)
    for gain in (1.5, 2, 3)
}
sign, gain = max(tried, key=tried.get)
x_validation, b_validation, _ = as_numbers(validation)
floor = froc(marks_of(x_validation, lambda image: spots_of(image, sign, gain)), b_validation)
print(f"Classical reader: {floor.mean:.2f} of all findings, mean over seven prices (validation)")

# %% [markdown] name="build-words"
# ## Build the network
#
# The network paints **heat**: for each place, how likely it is the middle of a finding. Beside it, it
# says how high and how wide the finding would be there. Where the heat has a peak, there is a box. No
# list of candidate boxes, nothing else.

# %% name="build"
network = detection.HeatMap(channels=x_train.shape[1], width=12)
painted = detection.targets(b_train, (size, size))
print(f"{sum(weight.numel() for weight in network.parameters()):,} weights to be learnt")
figure, axes = plt.subplots(1, 4, figsize=(11, 2.9), layout="constrained")
for pair, number in zip(axes.reshape(2, 2), marked[::5]):
    draw(pair[0], x_train[number], orange=b_train[number])
    pair[1].imshow(painted[number, 0], cmap="magma", vmin=0, vmax=1)
    pair[1].set_title("The heat that it should paint", fontsize=10)
    pair[1].axis("off")
plt.show()

# %% name="larger" tags=["folded"]
try:
    print(f"MONAI's RetinaNet loads here: {type(detection.retinanet(3)).__name__}")
except detection.CannotDetect as reason:
    print(f"The page trains the heat map alone. {reason}")

# %% [markdown] name="train-words"
# ## Train, live
#
# Right is the mean share of findings over seven prices, from an eighth of a false mark an image to
# eight, on the validation patients. The dashed line is the classical reader. **When will the network
# pass it?**


# %% name="train"
def augment(x, y):
    """A batch as it might have been: turned around, lighter or darker."""
    for axis in (-1, -2):
        if torch.rand(()) < 0.5:
            x, y = x.flip(axis), y.flip(axis)
    return x * (0.8 + 0.4 * torch.rand(len(x), 1, 1, 1, device=x.device)), y


def boxes_by(net, x):
    """Boxes and scores of the network for each image, thinned out."""
    for boxes, scores in detection.boxes_of(training.predict(net, x, desk.device)):
        kept = detection.nms(boxes, scores, 0.3)
        yield [(boxes[place], scores[place]) for place in kept]


def network_marks(net, x):
    """All marks of the network on all images."""
    found = enumerate(boxes_by(net, x))
    return [metrics.Mark(number, float(s), box) for number, own in found for box, s in own]


history = training.fit(
    network,
    training.batches(x_train, painted, 8, augment=augment, seed=seed),
    detection.loss,
    validate=lambda net: froc(network_marks(net, x_validation), b_validation).mean,
    metric="FROC",
    lines={CLASSICAL: floor.mean},
    lr=5e-3,
    epochs=epochs,
    seconds=seconds,
    device=desk.device,
)

# %% [markdown] name="judge-words"
# ## Judge: open the drawer
#
# Now the test patients, once. To see how far the numbers would wander with other patients, we draw
# patients again and again: the range that holds 95 of 100 draws is the interval. The **ceiling** is a
# reader who marks each finding and nothing else.

# %% name="judge"
x_test, b_test, patients = as_numbers(test)
marks = {
    CLASSICAL: marks_of(x_test, lambda image: spots_of(image, sign, gain)),
    NETWORK: network_marks(network, x_test),
    CEILING: [
        metrics.Mark(number, 1.0, box) for number, boxes in enumerate(b_test) for box in boxes
    ],
}
curves = {name: froc(own, b_test) for name, own in marks.items()}


# %% name="intervals" tags=["folded"]
def share_by_price(name):
    """A function that says which share of findings is marked at each price on drawn images."""
    own = sorted(marks[name], key=lambda mark: -mark.score)
    hit = metrics.match(own, dict(enumerate(b_test)), overlap=0.3)
    near = [max((metrics.box_iou(m.box, b) for b in b_test[m.image]), default=0) for m in own]
    false = ~hit & (np.array(near) < 0.3)  # a second mark on one finding is not false
    image = np.array([mark.image for mark in own], dtype=int)
    last = np.flatnonzero(np.diff([mark.score for mark in own], append=-np.inf))
    findings = np.array([len(boxes) for boxes in b_test])

    def shares(rows):
        often = np.bincount(rows, minlength=len(b_test))  # an image may be drawn twice
        if not often @ findings:
            raise ValueError("no finding in this draw")
        wrong = np.cumsum(often[image] * false)[last] / len(rows)
        right = np.cumsum(often[image] * hit)[last] / (often @ findings)
        return np.array([right[wrong <= price].max(initial=0) for price in metrics.FROC_AT])

    return shares


def interval(what):
    """A number of the test images, with its interval over patients."""
    return metrics.bootstrap(what, patients, np.arange(len(x_test)), times=400, seed=seed)


names = (CLASSICAL, NETWORK)
shares = {name: share_by_price(name) for name in names}
intervals = {name: interval(lambda rows, n=name: shares[n](rows).mean()) for name in names}
at_price = {
    name: [interval(lambda rows, n=name, k=k: shares[n](rows)[k]) for k in range(7)]
    for name in names
}
lead = interval(lambda rows: (shares[NETWORK](rows) - shares[CLASSICAL](rows)).mean())

# %% name="prices" tags=["folded"]
prices = dict(zip(metrics.FROC_AT, ("⅛", "¼", "½", "1", "2", "4", "8")))
table = pd.DataFrame({name: [str(one) for one in at_price[name]] for name in names}).T
table.loc[CEILING] = [f"{share:.2f}" for share in curves[CEILING].at.values()]
table.columns = list(prices.values())
table.style.set_caption("Share of findings marked (95 % interval), by false marks an image")

# %% name="judge-picture" tags=["folded"]
figure, ax = plt.subplots(figsize=(11, 3.8), layout="constrained")
for name, curve in curves.items():
    shown = curve.false_positives <= 8
    x = np.append(curve.false_positives[shown], 8)
    y = np.append(curve.sensitivity[shown], curve.at[8])
    ax.step(x, y, where="post", color=COLOURS[name], label=name, linewidth=2.5)
for name in names:
    shift = 0.97 if name == CLASSICAL else 1.03  # side by side, not on top of each other
    for place, one in zip(prices, at_price[name]):
        bar = {"color": COLOURS[name], "alpha": 0.45, "linewidth": 5, "solid_capstyle": "round"}
        ax.plot([place * shift] * 2, [one.low, one.high], **bar)
ax.set_xscale("symlog", linthresh=0.125)
ax.set(
    title="What a finding costs, on the test patients; bars: where 95 of 100 draws fall",
    xlabel="false marks an image",
    ylabel="share of findings marked",
    xlim=(0, 8.6),
    ylim=(0, 1.03),
    xticks=list(prices),
    xticklabels=list(prices.values()),
)
ax.legend(loc=6, bbox_to_anchor=(1, 0.5), frameon=False)
plt.show()
for name in names:
    print(f"{name}: mean share {intervals[name]}")
print(f"Lead of the network: {lead.value:+.2f} ({lead.low:+.2f} to {lead.high:+.2f})")
page.reveal("sensitivity", curves[NETWORK].at[1])
page.claim("lead", lead.value)
page.claim("ceiling", curves[CEILING].mean)

# %% [markdown] name="builder-words"
# Now set the price yourself. Move the threshold down and watch the curve build itself. **Where would
# you stop in a screening, and where if every mark meant a biopsy?**

# %% name="builder"
hits = metrics.match(marks[NETWORK], dict(enumerate(b_test)), overlap=0.3)
scores = [mark.score for mark in marks[NETWORK]]
builder = FrocBuilder(scores, hits, sum(map(len, b_test)), len(b_test))
builder

# %% [markdown] name="price-words"
# An examination is not a test set: nearly all of its pictures hold nothing. **Your turn.** `rate` is the
# number of false marks on each picture without a finding, `share` the share of pictures that hold one.
# How many false marks will there be on the pictures *without* a finding, in an examination of `images`
# pictures?


# %% name="price"
def price(images, share, rate):
    """False marks on the pictures without a finding."""
    # BEGIN SOLUTION
    return images * (1 - share) * rate
    # END SOLUTION


# %% name="check-price"
page.check("price")

# %% [markdown] name="worst-words"
# ## The worst cases
#
# The upper row shows findings that the network missed or was least sure of, in orange. The lower row
# shows its surest false marks, in blue. **What fooled it?**

# %% name="worst" tags=["folded"]
best = {}
for mark, hit in zip(marks[NETWORK], hits):
    if hit:
        best[mark.image] = max(mark.score, best.get(mark.image, 0))
holding = [number for number, boxes in enumerate(b_test) if boxes]
missed = sorted(holding, key=lambda number: best.get(number, 0))[:4]
false = [mark for mark, hit in zip(marks[NETWORK], hits) if not hit]
by_image = {mark.image: mark for mark in sorted(false, key=lambda mark: mark.score)}
surest = sorted(by_image.values(), key=lambda mark: -mark.score)[:4]
figure, axes = plt.subplots(2, 4, figsize=(11, 5.8), layout="constrained")
for ax in axes.flat:
    ax.axis("off")
for ax, number in zip(axes[0], missed):
    draw(ax, x_test[number], f"surest mark on it: {best.get(number, 0):.2f}", orange=b_test[number])
for ax, mark in zip(axes[1], surest):
    draw(ax, x_test[mark.image], f"false, score {mark.score:.2f}", dodgerblue=[mark.box])
plt.show()
empty = [number for number, boxes in enumerate(b_test) if not boxes]
alarms = sum(mark.image in set(empty) and mark.score >= 0.3 for mark in marks[NETWORK])
print(f"Images without a finding: {len(empty)}. Marks on them with a score from 0.3 on: {alarms}")

# %% [markdown] name="change-words"
# ## Change one thing
#
# Change **one** setting near the top, then choose *Run → Run All Cells*. Write down what you expect.
#
# | change | ask yourself |
# |---|---|
# | `seed = 2` | Nothing but luck has changed. How far does the curve move? |
# | `size = 64` | Which findings go first? |
# | `epochs = 15` | Does it find less, or mark more wrongly? |

# %% [markdown] name="quiz-words"
# ## Quiz

# %% name="quiz"
page.quiz()

# %% [markdown] name="take-away"
# ## Take away
#
# - **No price, no number.** "It finds nine of ten" means nothing without the false marks that it costs.
# - **Thin out with care.** Suppression makes one of many, and sometimes one of two.
# - **Look where nothing is.** Most pictures hold no finding, and there each mark is false.
#
# And the limit: it holds for *these* pictures, and for patients like *these*.

# %% name="limits"
print(f"{scans.card.title} ({scans.name}, version {scans.version})")
for line in scans.card.limits:
    print("•", line)

# %% name="finish"
page.finish()
