# %% [markdown] name="card"
# # Seeing
#
# **You never see the image. You see a choice: of greys, of a plane, of a grid.**
#
# In this lesson you will
#
# 1. make two diagnoses from one slice, by two windows,
# 2. cut three planes out of one scan, in true proportions,
# 3. find one point of the patient again in each of them,
# 4. change the grid of a scan,
# 5. see stripes that are not there, foretell them, and make them go.
#
# You need no programming. Click on a cell and press **Shift + Enter** to run it, from top to bottom.
# Some cells are folded: a click on the three dots shows their code.

# %% name="imports"
import dataclasses

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Ellipse
from scipy import ndimage

from course_kit import open_page
from dicom_catalog import Catalog
from dicom_catalog.viewing import look

page = open_page("02_seeing", globals())

# %% [markdown] name="parameters-words"
# These settings are all that you will ever need to change. Leave them for the first run.

# %% name="parameters" tags=["parameters"]
dataset = "chest-ct"  # scans of the chest; the catalog knows their names
brains = "brain-mr"  # scans of the head, several of each patient
patient = 5  # which of the patients with a nodule, counted from 0
period = 3.0  # mm from stripe to stripe in the test pattern
step = 4.0  # mm from pixel to pixel in the coarse grid

# %% [markdown] name="desk-words"
# ## Your desk
#
# You work in a container: a desk of your own on a shared machine. First we ask what it may use.

# %% name="desk"
desk = page.desk()

# %% name="scan" tags=["folded"]
BLUE, AMBER, GREY, GREEN = "#2563eb", "#d97706", "#94a3b8", "#059669"
LUNG, SOFT = (-650, 1100), (50, 250)  # level and width
with_nodule = [one for one in Catalog()[dataset].series if one.label == "yes"]
series = with_nodule[patient % len(with_nodule)]
volume = series.even(values="hu")
# A softer reconstruction, as soft tissue is read: less grain, less edge.
calm = ndimage.gaussian_filter(volume.array, (0.6, 1, 1))
nodule = series.masks()["nodule"]
place = int(nodule.sum((1, 2)).argmax())  # the slice with most of the nodule


def bleed_in(hu, number):
    """Where a bleed fits into the soft tissue of a slice: far from its borders, in the middle."""
    smooth = ndimage.gaussian_filter(hu[number], 1.2)
    depth = ndimage.distance_transform_edt((smooth > -10) & (smooth < 110))
    rows, columns = np.indices(depth.shape)
    near = np.hypot(rows - depth.shape[0] / 2, columns - depth.shape[1] / 2) < 45
    row, column = np.unravel_index((depth * near).argmax(), depth.shape)
    _, rows, columns = np.indices(hu.shape, sparse=True)
    slices = np.arange(len(hu))[:, None, None] - number
    radius = 0.75 * depth[row, column]
    away = ((rows - row) / radius) ** 2 + ((columns - column) / radius) ** 2 + (slices / 3) ** 2
    return away < 1


# We plant a fresh bleed among the great vessels: 45 HU brighter than what is around it.
bleed = bleed_in(calm, place)
body = np.s_[36:204, 28:228]  # the part of each slice that is drawn
planted = calm + 45 * ndimage.gaussian_filter(bleed.astype(np.float32), (0.5, 1, 1))
scan = dataclasses.replace(volume, array=planted.astype(np.float32))

# %% [markdown] name="story"
# ## Two windows, two diagnoses
#
# Two doctors look at the same slice of the same patient, and write two reports. Each has found
# something that the other has not. Both are right.
#
# Left what the first one saw, right what the second one saw. **What did each of them find?**


# %% name="first-look" tags=["folded"]
def shown(hu, level, width):
    """The greys of a window, from 0 (black) to 1 (white)."""
    return np.clip((hu - level + width / 2) / width, 0, 1)


def picture(ax, grey, title="", aspect=1.0):
    """A picture, grey from 0 (black) to 1 (white)."""
    ax.imshow(grey, cmap="gray", vmin=0, vmax=1, aspect=aspect, interpolation="nearest")
    ax.set_title(title)
    ax.axis("off")


figure, axes = plt.subplots(1, 2, figsize=(11, 5.4), layout="constrained")
for ax, title, chosen in zip(axes, ("The first doctor", "The second doctor"), (LUNG, SOFT)):
    picture(ax, shown(scan.array[place], *chosen)[body], title)
plt.show()

# %% [markdown] name="viewer-words"
# ## Look: two windows, linked
#
# The same scan twice, each side with a window of its own. What you point at left is marked right:
# they are **linked**. The wheel goes from slice to slice, dragging moves the window, a click asks
# for the value.
#
# **Find** the nodule at the left, and point at it. What stands at that place on the right?

# %% name="viewer"
viewer = look(scan, scan, size=400)
viewer.windows = [list(LUNG), list(SOFT)]
viewer.places = [place, place]
viewer

# %% [markdown] name="reveal-words"
# Blue rings the nodule, which is in the scan. Orange rings the bleed, which we planted for this
# lesson. Each doctor's window has room for one of them only.

# %% name="reveal" tags=["folded"]
figure, axes = plt.subplots(1, 2, figsize=(11, 5.4), layout="constrained")
marks = {"nodule": (nodule, BLUE), "bleed": (bleed, AMBER)}
ground = {"facecolor": "white", "edgecolor": "none", "pad": 1}
for ax, title, chosen in zip(axes, ("The first doctor", "The second doctor"), (LUNG, SOFT)):
    picture(ax, shown(scan.array[place], *chosen)[body], title)
    for name, (mask, colour) in marks.items():
        rows, columns = np.nonzero(mask[place][body])
        middle = (columns.mean(), rows.mean())
        size = (np.ptp(columns) + 14, np.ptp(rows) + 14)
        ax.add_patch(Ellipse(middle, *size, fill=False, color=colour, linewidth=2))
        ax.text(
            middle[0], middle[1] - size[1] / 2 - 4, name, color=colour, ha="center", bbox=ground
        )
plt.show()

# %% [markdown] name="ends-words"
# ## From a window to its two ends
#
# A window has a **level** (its middle) and a **width**. All that is below its dark end is black, all
# above its bright end is white.
#
# **Your turn.** Give the two ends, first the dark one, then the bright one, with a comma between.
# Replace the dots, run the cell, then the one below it. There are hints.


# %% name="ends"
def ends(level, width):
    """The HU at which a window becomes black, and those at which it becomes white."""
    # BEGIN SOLUTION
    return level - width / 2, level + width / 2
    # END SOLUTION


# %% name="check-ends"
page.check("ends")


# %% name="windows" tags=["folded"]
def our_ends(level, width):
    return level - width / 2, level + width / 2


ends = page.answer("ends", otherwise=our_ends)
TISSUES = {"air": (-1000, -980), "lung": (-900, -750), "this nodule": (-700, -560)}
TISSUES |= {"fat": (-120, -60), "muscle": (15, 45), "bleed": (60, 85), "bone": (250, 700)}
figure, ax = plt.subplots(figsize=(11, 3.6), layout="constrained")
hu = np.arange(-1230, 800)
for name, chosen, colour in (("lung window", LUNG, BLUE), ("soft window", SOFT, AMBER)):
    ax.plot(hu, shown(hu, *chosen), color=colour, linewidth=3, label=name)
    for end in ends(*chosen):
        ax.plot(end, shown(end, *chosen), "o", color=colour, markersize=9)
for number, (name, (low, high)) in enumerate(TISSUES.items()):
    ax.axvspan(low, high, color=GREY, alpha=0.25, linewidth=0)
    ax.text((low + high) / 2, 1.06 + 0.08 * (number % 2), name, ha="center", fontsize=10)
ax.set(xlabel="HU", ylabel="grey on the screen", yticks=[0, 1], yticklabels=["black", "white"])
ax.legend(loc=(0.8, 0.4))
ax.set_title("What each window does to each tissue", pad=32)
plt.show()

# %% [markdown] name="contrast-words"
# A finding can be seen if its grey differs from that of its neighbours. Here is that difference, as
# a part of the way from black to white. In which window is each finding visible?


# %% name="contrast"
def contrast(mask, level, width):
    """How much brighter a finding is on the screen than the ring around it, from 0 to 1."""
    ring = ndimage.binary_dilation(mask, iterations=5) & ~ndimage.binary_dilation(
        mask, iterations=2
    )
    grey = shown(scan.array[place], level, width)
    return abs(float(np.median(grey[mask]) - np.median(grey[ring])))


seen = {}
for name, (mask, _) in marks.items():
    seen[name] = contrast(mask[place], *LUNG), contrast(mask[place], *SOFT)
    print(f"{name:8} lung window {seen[name][0]:.2f}    soft window {seen[name][1]:.2f}")
page.claim("nodule-seen", max(seen["nodule"]))
page.claim("nodule-hidden", min(seen["nodule"]))
page.claim("bleed-seen", max(seen["bleed"]))
page.claim("bleed-hidden", min(seen["bleed"]))

# %% [markdown] name="planes-words"
# ## Three planes from one scan
#
# A scan is a stack of slices: a block of numbers. Cut it another way and you have another plane.
# The middle of three numbers in `volume[slice, row, column]` is the row, and rows go from the front
# of the patient to the back. So one row of *all* slices is a **coronal** plane.
#
# **Your turn.** Take row number `row` of all slices. A colon `:` means *all*. Slices come from the
# feet up, and you want the head at the top: `::-1` means *all, from the last to the first*.


# %% name="coronal"
def coronal(volume, row):
    """The coronal plane through one row of pixels, the head at the top."""
    # BEGIN SOLUTION
    return volume[::-1, row, :]
    # END SOLUTION


# %% name="check-coronal"
page.check("coronal")

# %% [markdown] name="aspect-words"
# And now the catch. From slice to slice it is farther than from pixel to pixel. Who draws each
# number as a square gets a patient whom somebody has sat upon.

# %% name="aspect" tags=["folded"]
coronal = page.answer("coronal", otherwise=lambda volume, row: volume[::-1, row, :])
centre = [int(number.mean()) for number in np.nonzero(nodule)]
between, down, across = series.spacing
plane = shown(coronal(scan.array, centre[1]), *LUNG)
figure, axes = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
picture(axes[0], plane, "Each number a square: wrong")
picture(
    axes[1],
    plane,
    f"Each number {across:g} mm wide and {between:g} mm high: right",
    between / across,
)
plt.show()

# %% [markdown] name="find-words"
# ## One point, three planes
#
# The **affine** of a scan is a table that turns a place in the block (column, row, slice) into
# millimetres in the patient. To go *back*, from millimetres to the place, we need its inverse. A
# biopsy needle is led just so.
#
# **Your turn.** `back` is the inverse, `point` is x, y, z in mm. Multiply them: the sign for tables is
# `@`. A fourth number, 1, has been put behind the point, since the affine has a shift, too.


# %% name="find"
def find(point, affine):
    """Where a point of the patient lies in the block: column, row, slice."""
    back = np.linalg.inv(affine)
    extended = np.array([*point, 1.0])
    # BEGIN SOLUTION
    return (back @ extended)[:3]
    # END SOLUTION


# %% name="check-find"
page.check("find")

# %% name="three-planes" tags=["folded"]
find = page.answer("find", otherwise=lambda p, a: (np.linalg.inv(a) @ np.array([*p, 1.0]))[:3])
affine = series.affine()
target = (affine @ [centre[2], centre[1], centre[0], 1])[:3]
found = find(target, affine)
column, row, number = np.round(found).astype(int)
planes = {
    "axial": (scan.array[number], 1, (column, row)),
    "coronal": (coronal(scan.array, row), between / across, (column, len(nodule) - 1 - number)),
    "sagittal": (scan.array[::-1, :, column], between / down, (row, len(nodule) - 1 - number)),
}
figure, axes = plt.subplots(1, 3, figsize=(11, 3.9), layout="constrained")
for ax, (name, (plane, aspect, (x, y))) in zip(axes, planes.items()):
    picture(ax, shown(plane, *LUNG), name, aspect)
    ax.axvline(x, color=AMBER, linewidth=1)
    ax.axhline(y, color=AMBER, linewidth=1)
plt.show()
print("The nodule lies at", np.round(target, 1), "mm: column, row, slice", np.round(found, 1))
page.claim("found", float(np.abs(found - [centre[2], centre[1], centre[0]]).max()))

# %% [markdown] name="brain-words"
# Millimetres also join *different* scans of one patient. Below are two kinds of MR of one head. Point
# at something dark in one of them: what is it in the other?

# %% name="brain"
heads = [one for one in Catalog()[brains].series if one.label == "yes"]
same = [one for one in heads if one.patient_id == heads[0].patient_id]
first, second = sorted(same, key=lambda one: one.description)[:2]
print(first.description, "and", second.description)
look(first, second, size=360)

# %% [markdown] name="length-words"
# ## Another grid
#
# A network wants all scans on one grid. So we **resample**: the same patient, other pixels. How many
# will there be? The patient stays as long as they are: pixels times spacing.
#
# **Your turn.** A row of `count` pixels has `spacing` mm from pixel to pixel. How many pixels does it
# have when these are `wanted` mm apart? Give a whole number, rounded.


# %% name="length"
def new_count(count, spacing, wanted):
    """How many pixels as many millimetres take on another grid."""
    # BEGIN SOLUTION
    return round(count * spacing / wanted)
    # END SOLUTION


# %% name="check-length"
page.check("length")

# %% [markdown] name="predict-words"
# ## Stripes that are not there
#
# Fine dark and bright stripes lie next to each other, as in a grid before a detector, or in a weave
# of vessels. The settings above say how far it is from stripe to stripe, and how far from pixel to
# pixel in a coarse grid. The grid is too coarse: between two pixels there is more than one stripe.
#
# **How many mm will it be from stripe to stripe in the coarse picture?** Set the slider.

# %% name="predict"
print(f"Stripes every {period:g} mm, a pixel every {step:g} mm")
page.predict("stripes", 1, 24, 3, step=0.5)

# %% name="stripes" tags=["folded"]
length, fine = 240.0, 0.1  # mm
x = np.arange(0, length, fine)
pattern = 0.5 + 0.5 * np.cos(2 * np.pi * x / period)
keep = round(step / fine)
coarse = pattern[::keep]


def main_period(values, spacing):
    """The mm from stripe to stripe of the strongest stripes in a row of values."""
    strength = np.abs(np.fft.rfft(values - values.mean(), 64 * len(values)))
    return float(1 / np.fft.rfftfreq(64 * len(values), spacing)[strength.argmax()])


figure, axes = plt.subplots(3, 1, figsize=(11, 4.2), layout="constrained", sharex=True)
edges = {"cmap": "gray", "vmin": 0, "vmax": 1, "aspect": "auto", "extent": (0, length, 0, 1)}
axes[0].imshow(pattern[None], **edges)
axes[0].set_title("What is there")
axes[1].imshow(coarse[None], interpolation="nearest", **edges)
axes[1].set_title("What the coarse grid shows")
axes[2].plot(x, pattern, color=GREY, linewidth=1)
axes[2].plot(x[::keep], coarse, "o-", color=BLUE, linewidth=2)
axes[2].set(xlim=(0, 60), xlabel="mm", title="Why: the first 60 mm, a blue point for each pixel")
for ax in axes[:2]:
    ax.sharex(axes[0])
for ax in axes:
    ax.set_yticks([])
axes[2].set_xlim(0, 60)
plt.show()
measured = main_period(coarse, step)
page.reveal("stripes", measured, "mm")

# %% [markdown] name="alias-words"
# These false stripes are **aliasing**. They can be foretold. Count in stripes per mm: `there` is what
# there is, `grid` is how many pixels there are per mm. A grid cannot tell `there` from what is left
# when whole multiples of `grid` are taken away. What it shows is the smallest that can be left.
#
# **Your turn.** Take from `there` the nearest whole multiple of `grid`, `nearest`. The sign does not
# count: `abs(...)` takes it off.


# %% name="alias"
def stripes_per_mm(period, step):
    """How many stripes per mm a grid shows: none of them need be there."""
    there, grid = 1 / period, 1 / step
    nearest = grid * round(there / grid)
    # BEGIN SOLUTION
    return abs(there - nearest)
    # END SOLUTION


# %% name="check-alias"
page.check("alias")

# %% name="aliased"
stripes_per_mm = page.answer("alias", lambda p, s: abs(1 / p - round(s / p) / s))
foretold = stripes_per_mm(period, step)
print(f"Foretold: {foretold:.4f} stripes per mm. Measured: {1 / measured:.4f}.")
page.claim("alias", abs(foretold - 1 / measured))

# %% [markdown] name="smooth-words"
# ## The cure: blur first
#
# What a grid cannot carry must go *before* it can do harm. So each coarse pixel gets the average of
# its neighbourhood, not the one value that happens to lie there.
#
# Below, rings that get finer and finer outwards. In the middle every eighth pixel of them was kept,
# at the right they were blurred first. All that is bright in the corners of the middle picture is
# invented.

# %% name="rings" tags=["folded"]
many = 512
u = np.linspace(-1, 1, many)
rings = 0.5 + 0.5 * np.cos(60 * np.pi * (u[:, None] ** 2 + u**2))
blurred = ndimage.gaussian_filter(rings, 8 * 0.55, mode="nearest")
kept, cured = rings[::8, ::8], blurred[::8, ::8]
figure, axes = plt.subplots(1, 3, figsize=(11, 4), layout="constrained")
titles = ("What is there", "Every eighth pixel kept", "Blurred, then every eighth kept")
for ax, shown_rings, title in zip(axes, (rings, kept, cured), titles):
    picture(ax, shown_rings, title)
    if len(shown_rings) == many:
        ax.images[0].set_interpolation("antialiased")
plt.show()
far = np.add.outer(u[::8] ** 2, u[::8] ** 2) > 0.6
remains = float(cured[far].std() / kept[far].std())
print(f"Of the invented contrast in the corners, {100 * remains:.0f} of 100 parts remain.")
page.claim("cured", remains)

# %% [markdown] name="worst-words"
# ## The worst case: a finding falls through the grid
#
# Here is the scan on a grid that is six times coarser, once kept and once averaged. Left, a small
# vessel is there or not, by the luck of where the grid lies. Right, it is fainter, but it is there.

# %% name="worst" tags=["folded"]
hu = scan.array[place][body]
mean = ndimage.uniform_filter(hu, 6)
figure, axes = plt.subplots(1, 3, figsize=(11, 4), layout="constrained")
picture(axes[0], shown(hu, *LUNG), "The scan")
picture(axes[1], shown(hu[3::6, 3::6], *LUNG), "Every sixth pixel kept")
picture(axes[2], shown(mean[3::6, 3::6], *LUNG), "Averaged, then every sixth kept")
plt.show()
lung = (ndimage.uniform_filter(hu, 25) < -600)[3::6, 3::6]
rough = [float(one[3::6, 3::6][lung].std()) for one in (hu, mean)]
print(f"Grain in the lung: {rough[0]:.0f} HU kept, {rough[1]:.0f} HU averaged")

# %% [markdown] name="change-words"
# ## Change one thing
#
# Change **one** setting in the cell near the top, then choose *Run → Run All Cells*.
# Write down what you expect, before you look.
#
# | change | ask yourself |
# |---|---|
# | `step = 2.9` | Nearly one pixel a stripe: how wide are the false stripes now? |
# | `step = 1.0` | Is there aliasing at all? How many pixels does a stripe need? |
# | `patient = 8` | Another nodule, a solid one. Does the soft window still hide it? |

# %% [markdown] name="quiz-words"
# ## Quiz
#
# Each answer is explained, right or wrong, and you may try as often as you like.

# %% name="quiz"
page.quiz()

# %% [markdown] name="take-away"
# ## Take away
#
# - **A window answers one question.** What lies outside of it is not "normal", it is not shown.
# - **Millimetres, not pixels.** They hold in every plane and in every scan of the patient.
# - **Blur before you thin.** Else the grid invents what is not there, and drops what is.
#
# And the limit: our bleed was planted, and brighter and smoother than many real ones. In a real
# scan noise takes part in the decision. The next cell repeats what the data set says about itself.

# %% name="limits"
card = Catalog()[dataset].card
print(card.title)
for line in card.limits:
    print("•", line)

# %% [markdown] name="finish-words"
# ## Done
#
# Here is what you have reached. Your instructor sees it only if you say so.

# %% name="finish"
page.finish()
