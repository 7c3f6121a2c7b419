# %% [markdown] name="card"
# # DICOM from the inside
#
# **A DICOM file is a list of labelled facts, and then pixels. Without the facts, the pixels mean
# nothing.**
#
# In this lesson you will
#
# 1. open a CT slice and see its bare bytes,
# 2. leaf through its labels,
# 3. turn stored numbers into Hounsfield units, and back without losing one,
# 4. find out where in the patient a pixel lies,
# 5. catch six lies in six headers.
#
# You need no programming. Click on a cell and press **Shift + Enter** to run it, from top to bottom.
# Some cells are folded: a click on the three dots shows their code.

# %% name="imports"
import copy
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pydicom

from course_kit import open_page
from course_kit.widgets.tags import TagBrowser
from dicom_catalog import Catalog
from dicom_catalog.viewing import look

page = open_page("01_dicom", globals())

# %% [markdown] name="parameters-words"
# Two settings. Leave them for the first run.

# %% name="parameters" tags=["parameters"]
dataset = "chest-ct"  # which scans; the catalog knows their names
patient = 3  # which patient of the data set, counted from 0

# %% [markdown] name="desk-words"
# ## Your desk
#
# You work in a container: a desk of your own on a shared machine. First we ask what it may use.

# %% name="desk"
desk = page.desk()

# %% [markdown] name="story"
# ## Two ways to see one file
#
# It is night. A scan arrives from another hospital, and on your screen the patient is all white.
# Is it the patient, the scanner, or the file?
#
# Whoever can look *into* the file can tell. Here is one slice of a chest: left as you know it,
# right as the computer has it. Each small square on the right is one **byte**, a number from 0 to
# 255; the brighter, the larger. The file begins at the top left.

# %% name="first-look" tags=["folded"]
BLUE, AMBER, GREY = "#2563eb", "#d97706", "#94a3b8"
volumes = Catalog()[dataset]
series = volumes.series[patient % len(volumes.series)]
middle = len(series) * 2 // 5
image = series.images[middle]
file = Path(image.path)
content = np.frombuffer(file.read_bytes(), np.uint8)
header = pydicom.dcmread(file)
begin = len(content) - len(header.PixelData)  # where the pixels begin

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
left.imshow(image.windowed(), cmap="gray")
left.set_title("What you see")
left.axis("off")
square = content[: 80 * 100].reshape(80, 100)
right.imshow(square, cmap="magma", vmin=0, vmax=255)
right.set_title("What the computer has: the first 8,000 bytes")
right.axhline(begin / 100, color="#60a5fa", linewidth=2)
words = {
    "color": "white",
    "fontsize": 10,
    "bbox": {"facecolor": "#0f172a", "edgecolor": "none", "pad": 2},
}
right.text(60, begin / 100 - 2, "labels", **words)
right.text(60, begin / 100 + 4, "pixels", **words)
right.axis("off")
plt.show()

# %% [markdown] name="predict-words"
# ### Predict before you run
#
# The blue line is where the labels end and the pixels begin. The file goes on far below the picture.
#
# **Of 100 bytes of this file, how many are pixels?** Set the slider. Nobody sees it but you.

# %% name="predict"
page.predict("share", 0, 100, 50, step=1)

# %% name="share"
share = 100 * len(header.PixelData) / len(content)
print(f"The file has {len(content):,} bytes; {begin:,} of them are labels.")
page.reveal("share", share)
page.claim("share", share)

# %% [markdown] name="browser-words"
# ## Look: leaf through the labels
#
# Each fact is one **element**. It has a **tag** (two numbers, such as 0028,1052), a **name**, the
# kind of its value (**VR**), and the value itself.
#
# Below are all elements of your slice. Click on one: you see its bytes, and what it is for.
# Type into the field to search, for instance *spacing* or *patient*.
#
# **Find:** the voltage of the tube, the thickness of the slice, and whose scan it is.

# %% name="browser"
TagBrowser(header)

# %% [markdown] name="groups-words"
# Who is it, how was it made, where does it lie, what do the numbers mean? The first half of a tag,
# its **group**, tells which of these questions an element answers.

# %% name="groups" tags=["folded"]
GROUPS = {
    0x0008: "the study: what, when, by which machine",
    0x0010: "the patient",
    0x0018: "how it was taken",
    0x0020: "where it lies in the patient",
    0x0028: "what the pixels mean",
}
counts = {group: sum(1 for one in header if one.tag.group == group) for group in GROUPS}
figure, ax = plt.subplots(figsize=(11, 2.6), layout="constrained")
names = [f"{group:04X}   {text}" for group, text in GROUPS.items()]
bars = ax.barh(names, list(counts.values()), color=BLUE, height=0.6)
ax.bar_label(bars, padding=4)
ax.invert_yaxis()
ax.set_title("How many labels answer which question")
ax.tick_params(left=False)
ax.spines["bottom"].set_visible(False)
ax.set_xticks([])
plt.show()

# %% [markdown] name="pixels-words"
# ## From bytes to a table
#
# The pixels come as one long string of bytes. Two labels say how to fold it: **Rows** and
# **Columns**. A third, **Bits Allocated**, says that two bytes together make one number.
#
# **Your turn.** `values` is the long list of numbers. Fold it into a table of that many rows and
# columns. Replace the dots, run the cell, then the one below it. There are hints.


# %% name="fold"
def fold(data, rows, columns):
    """The bytes of the pixels as a table of numbers: rows from top to bottom."""
    values = np.frombuffer(data, dtype="<u2")
    # BEGIN SOLUTION
    return values.reshape(rows, columns)
    # END SOLUTION


# %% name="check-fold"
page.check("fold")

# %% name="folded-wrong" tags=["folded"]
fold = page.answer("fold", otherwise=lambda d, r, c: np.frombuffer(d, "<u2").reshape(r, c))
rows, columns = header.Rows, header.Columns
stored = fold(header.PixelData, rows, columns)
tries = {
    f"{rows} × {columns}, as the labels say": (rows, columns),
    f"{rows // 2} × {columns * 2}": (rows // 2, columns * 2),
    f"{rows - 1} × {columns + 1}": (rows - 1, columns + 1),
}
figure, axes = plt.subplots(1, 3, figsize=(11, 3.9), layout="constrained")
for ax, (title, (high, wide)) in zip(axes, tries.items()):
    part = fold(header.PixelData[: 2 * high * wide], high, wide)
    ax.imshow(part, cmap="gray", vmin=0, vmax=1800, aspect="auto")
    ax.set_title(title)
    ax.axis("off")
plt.show()

# %% [markdown] name="hu-words"
# ## What a number means
#
# A CT stores numbers that start at zero. But its scale, that of **Hounsfield units (HU)**, has water
# at 0 and air at -1000. Two labels join them:
#
# HU = stored × **Rescale Slope** + **Rescale Intercept**
#
# **Your turn.** Write that rule.


# %% name="hu"
def to_hu(stored, slope, intercept):
    """Hounsfield units of stored numbers."""
    # BEGIN SOLUTION
    return stored * slope + intercept
    # END SOLUTION


# %% name="check-hu"
page.check("hu")

# %% [markdown] name="back-words"
# **And back.** Whoever writes a file must turn HU into stored numbers. These are whole numbers,
# and computers are careless with them: 0.9999 cut off becomes 0. So **round** to the nearest one.
#
# **Your turn.** Give whole numbers such that not one is lost on the way there and back.


# %% name="back"
def to_stored(hu, slope, intercept):
    """The stored whole numbers of Hounsfield units."""
    exact = (np.asarray(hu) - intercept) / slope
    # BEGIN SOLUTION
    return np.round(exact).astype(int)
    # END SOLUTION


# %% name="check-back"
page.check("back")

# %% [markdown] name="round-trip-words"
# Now the whole scan goes there and back. How many numbers come back changed?

# %% name="round-trip"
to_hu = page.answer("hu", otherwise=lambda s, m, b: s * m + b)
to_stored = page.answer("back", otherwise=lambda h, m, b: np.round((h - b) / m).astype(int))
changed = total = 0
for one in series.images:
    slope, intercept = series.rescale(0)
    before = one.pixels.astype(int)
    after = to_stored(to_hu(before, slope, intercept), slope, intercept)
    changed, total = changed + int((before != after).sum()), total + before.size
print(f"{total:,} numbers went there and back; {changed} came back changed.")
page.claim("round-trip", changed)

# %% name="histogram" tags=["folded"]
slope, intercept = series.rescale(middle)
hu = to_hu(stored.astype(float), slope, intercept)
figure, (left, right) = plt.subplots(
    1, 2, figsize=(11, 3.8), width_ratios=[1, 2.2], layout="constrained"
)
left.imshow(hu, cmap="gray", vmin=-1000, vmax=400)
left.set_title("The slice, now in HU")
left.axis("off")
bins = np.arange(-1050, 700, 10)
tissues = {"air": (-1050, -950), "lung": (-950, -600), "fat": (-150, -50), "soft": (0, 100)}
right.hist(hu.ravel(), bins, color=GREY)
for (name, (low, high)), colour in zip(tissues.items(), ("#0ea5e9", BLUE, AMBER, "#059669")):
    inside = hu[(hu >= low) & (hu < high)]
    right.hist(inside, bins, color=colour, label=f"{name}: {low} to {high}")
right.set_yscale("log")
right.set(title="Each tissue has its place on the scale", xlabel="HU", ylabel="pixels")
right.legend()
plt.show()

# %% [markdown] name="place-words"
# ## Where in the patient?
#
# A surgeon asks: *how far, in millimetres?* Three labels answer:
#
# - **Image Position**: where the first pixel lies, in mm. *x* grows to the patient's left, *y*
#   to the back, *z* to the head.
# - **Image Orientation**: in which direction a row runs, and in which a column.
# - **Pixel Spacing**: the step from row to row, then from column to column. In this order!
#
# **Your turn.** To walk to a pixel, start at `position`. Go `column` steps in direction `along`, then
# `row` steps in direction `down`. Each step is as long as the spacing says.


# %% name="place"
def place(column, row, position, orientation, spacing):
    """Where a pixel lies in the patient: x, y, z in mm."""
    position, orientation = np.asarray(position, float), np.asarray(orientation, float)
    along, down = orientation[:3], orientation[3:]
    from_row_to_row, from_column_to_column = spacing
    # BEGIN SOLUTION
    return position + column * from_column_to_column * along + row * from_row_to_row * down
    # END SOLUTION


# %% name="check-place"
page.check("place")


# %% name="place-used" tags=["folded"]
def ours(column, row, position, orientation, spacing):
    along, down = np.array(orientation[:3], float), np.array(orientation[3:], float)
    return np.array(position, float) + column * spacing[1] * along + row * spacing[0] * down


place = page.answer("place", otherwise=ours)
labels = (header.ImagePositionPatient, header.ImageOrientationPatient, header.PixelSpacing)
mine = place(columns - 1, rows - 1, *labels)
theirs = series.affine() @ [columns - 1, rows - 1, middle, 1]
away = float(np.abs(mine - theirs[:3]).max())
print("The last pixel lies at", np.round(mine, 1), "mm, by your rule.")
print("The data set's own map says", np.round(theirs[:3], 1), "mm.")
page.claim("place", away)

# %% [markdown] name="viewer-words"
# Move the pointer over the scan. The viewer does what you just did: it tells HU and millimetres
# of each pixel. **Find** the trachea: how many HU has its air?

# %% name="viewer"
look(series, size=420)

# %% [markdown] name="faults-words"
# ## Six lies
#
# Here are six copies of one slice. In each, **one label lies**. The pixels are untouched. A
# workstation believes what it is told, so this is what it would show you. The white bar is its
# ruler, R and L are its sides.
#
# Two of these are dangerous since they look so normal. Which?


# %% name="faults" tags=["folded"]
def slice_of(number):
    """The labels of a slice, cut to more columns than rows, as the scanner sent it."""
    labels = pydicom.dcmread(series.images[number].path)
    cut = fold(labels.PixelData, labels.Rows, labels.Columns)[24:-32]
    labels.Rows, labels.PixelData = len(cut), cut.tobytes()
    return labels


sent, neighbour = slice_of(middle), slice_of(middle + 1)
step = float(sent.PixelSpacing[0])
LIES = {
    "A": {"PixelSpacing": [step / 2, step / 2]},
    "B": {"RescaleIntercept": 0},
    "C": {"Rows": sent.Columns, "Columns": sent.Rows},
    "D": {"ImageOrientationPatient": [-1, 0, 0, 0, 1, 0]},
    "E": {"PhotometricInterpretation": "MONOCHROME1"},
    "F": {"SOPInstanceUID": neighbour.SOPInstanceUID},
}
lying = {}
for letter, lie in LIES.items():
    lying[letter] = copy.deepcopy(sent)
    for keyword, value in lie.items():
        setattr(lying[letter], keyword, value)


# %% name="faults-shown" tags=["folded"]
def workstation(ax, labels, title, colour="black"):
    """The picture that follows from the labels, and what a workstation writes beside it."""
    table = fold(labels.PixelData, labels.Rows, labels.Columns).astype(float)
    shown = table * float(labels.RescaleSlope) + float(labels.RescaleIntercept)
    shown = np.clip((shown + 1000) / 1400, 0, 1)
    if labels.PhotometricInterpretation == "MONOCHROME1":
        shown = 1 - shown
    if labels.ImageOrientationPatient[0] < 0:
        shown = shown[:, ::-1]  # the right side of the patient is hung at the left
    ax.imshow(shown, cmap="gray", vmin=0, vmax=1)
    bar = 100 / float(labels.PixelSpacing[1])
    down, white = labels.Rows - 12, dict(words, fontsize=9)
    ax.plot([12, 12 + bar], [down, down], color="#0f172a", linewidth=5)
    ax.plot([12, 12 + bar], [down, down], color="white", linewidth=3)
    ax.text(12, down - 10, "10 cm", **white)
    ax.text(6, 20, "R", **white)
    ax.text(labels.Columns - 18, 20, "L", **white)
    held = {neighbour.SOPInstanceUID, labels.SOPInstanceUID}
    number = f"kept: {len(held)} of 2 slices"
    ax.text(labels.Columns - 8, down, number, ha="right", **white)
    ax.set_title(title, color=colour, fontsize=13, fontweight="bold")
    ax.set_xticks([])
    ax.set_yticks([])


figure, axes = plt.subplots(2, 3, figsize=(11, 6.6), layout="constrained")
for ax, letter in zip(axes.flat, lying):
    workstation(ax, lying[letter], letter)
plt.show()

# %% [markdown] name="compare-words"
# Leaf through the labels of one of them. Put another letter between the quotation marks.

# %% name="compare"
TagBrowser(lying["A"])

# %% [markdown] name="beside-words"
# And this is the slice that came right after it, which nobody touched. What differs?

# %% name="beside"
TagBrowser(neighbour)

# %% [markdown] name="culprit-words"
# **Your turn.** Which label lies? Write one of these names in place of each question mark:
#
# *PixelSpacing, Rows, RescaleIntercept, PhotometricInterpretation, ImageOrientationPatient,
# SOPInstanceUID* (the number by which an archive knows a slice: no two may share it).
#
# You can also tell by looking: is it the grey, the size, the side, the fold, or the number of slices?

# %% name="culprit"
culprit = {"A": "?", "B": "?", "C": "?", "D": "?", "E": "?", "F": "?"}
# BEGIN SOLUTION
culprit |= {"A": "PixelSpacing", "B": "RescaleIntercept", "C": "Rows"}
culprit |= {"D": "ImageOrientationPatient", "E": "PhotometricInterpretation"}
culprit |= {"F": "SOPInstanceUID"}
# END SOLUTION

# %% name="check-culprit"
page.check("culprit")

# %% [markdown] name="mend-words"
# Now each label that you named gets the value that the scanner sent. Green is mended.

# %% name="mend" tags=["folded"]
culprit = page.answer(
    "culprit", otherwise={letter: next(iter(lie)) for letter, lie in LIES.items()}
)
mended = 0
figure, axes = plt.subplots(2, 3, figsize=(11, 6.6), layout="constrained")
for ax, letter in zip(axes.flat, lying):
    labels = copy.deepcopy(lying[letter])
    named = ["Rows", "Columns"] if culprit[letter] in ("Rows", "Columns") else [culprit[letter]]
    for keyword in named:
        setattr(labels, keyword, getattr(sent, keyword))
    sound = labels == sent
    mended += sound
    workstation(ax, labels, f"{letter}: {named[0]}", "#059669" if sound else AMBER)
plt.show()
page.claim("mended", mended)

# %% [markdown] name="answer-words"
# <details><summary>Which two were the dangerous ones?</summary>A, since every length is wrong by a
# factor and no picture shows it, and D, since the heart lies on the wrong side and somebody might
# operate there. F is quiet, too: a slice is missing, and nobody sees what is not there.</details>

# %% [markdown] name="change-words"
# ## Change one thing
#
# Change **one** thing, run the cells below it again, and write down what you expect before you look.
#
# | change | ask yourself |
# |---|---|
# | `patient = 5` | Which labels differ from patient to patient, which never? |
# | in the cell with the lies, another factor for A | At which factor would *you* notice it? |

# %% [markdown] name="quiz-words"
# ## Quiz
#
# Each answer is explained, right or wrong, and you may try as often as you like.

# %% name="quiz"
page.quiz()

# %% [markdown] name="take-away"
# ## Take away
#
# - **Labels first.** A picture is what a program makes of labels and numbers.
# - **Never trust a grey.** Ask for its HU, and for the slope and intercept behind it.
# - **Never trust a length or a side** whose spacing and orientation you have not seen.
#
# And the limit: this file came uncompressed, from one invented scanner. Real files come
# compressed, with private labels, and with mistakes that nobody planted.

# %% [markdown] name="finish-words"
# ## Done
#
# Here is what you have reached. Your instructor sees it only if you say so.

# %% name="finish"
page.finish()
