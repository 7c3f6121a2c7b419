"""The viewer in Chromium: what its canvases show, by pointer and by keyboard."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, sync_playwright

from dicom_catalog.errors import NotReadable
from dicom_catalog.upright import Volume
from dicom_catalog.viewing import look
from dicom_catalog.viewing.stacks import ArrayStack, Stack
from dicom_catalog.viewing.widget import Viewer

sys.path.insert(0, str(Path(__file__).parent))
from viewer_page import ViewerPage

pytestmark = pytest.mark.chromium

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
# Feet to head by 5 mm, 2 mm pixels.
AFFINE = np.array([[2.0, 0, 0, -20], [0, 2.0, 0, -20], [0, 0, 5.0, 100], [0, 0, 0, 1]])

Open = Callable[..., ViewerPage]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("Chromium is not installed; `./radlab test` installs it where it can")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_viewer(chromium: Browser) -> Iterator[Open]:
    pages, errors = [], []

    def open_page(*things: Any, viewer: Viewer | None = None, **options: Any) -> ViewerPage:
        pages.append(chromium.new_page(viewport={"width": 900, "height": 760}))
        pages[-1].on("pageerror", lambda error: errors.append(str(error)))
        pages[-1].set_default_timeout(15_000)
        return ViewerPage(pages[-1], viewer or look(*things, **options))

    yield open_page
    for page in pages:
        page.close()
    assert errors == []


@pytest.fixture
def steps() -> np.ndarray[Any, Any]:
    """A volume whose slice k is k everywhere, 12 slices of 20 x 20."""
    return np.repeat(np.arange(12, dtype=np.int16), 400).reshape(12, 20, 20)


def test_each_grey_is_the_window_s_of_the_stored_value(open_viewer: Open) -> None:
    # Across the whole type: a table of 16 bits, signed and not, and floats without one.
    cases = {"int16": (-900, 100), "uint16": (40000, 41000), "float32": (0.1, 1.1)}
    for kind, values in cases.items():
        image = np.full((16, 16), values[0], kind)
        image[:, 8:] = values[1]
        low, high = (float(image.min()), float(image.max()))
        page = open_viewer(image, window=((low + high) / 2, 2 * (high - low)))
        assert page.colour(0.4, 0.5) == [64] * 3, kind
        assert page.colour(0.6, 0.5) == [191] * 3, kind


def test_a_colour_image_has_its_colours(open_viewer: Open) -> None:
    image = np.zeros((16, 16, 3), np.uint8)
    image[:] = (200, 100, 30)
    assert open_viewer(image).colour(0.5, 0.5) == [200, 100, 30]


def test_arrows_pages_and_ends_move_through_the_slices(open_viewer: Open, steps: Any) -> None:
    page = open_viewer(steps, window=(5.5, 11))
    page.painted(0, 6)
    for key, place in (("ArrowDown", 7), ("ArrowUp", 6), ("PageUp", 0), ("End", 11), ("Home", 0)):
        page.press(key)
        page.painted(0, place)
        assert page.colour(0.5, 0.5)[0] == round(place / 11 * 255), key
    assert page.told("places") == [0]


def test_the_wheel_scrolls_and_what_comes_next_was_asked_for(open_viewer: Open, steps: Any) -> None:
    page = open_viewer(steps)
    page.page.locator("canvas").hover()
    page.page.wait_for_timeout(300)
    asked = [place for one in page.asked if one["kind"] == "planes" for place in one["places"]]
    assert sorted([*asked, 6]) == list(range(12)), "each slice once, before it is looked for"
    page.page.mouse.wheel(0, 120)
    page.painted(0, 7)


def test_a_drag_moves_level_and_width(open_viewer: Open, steps: Any) -> None:
    page = open_viewer(steps, window=(100, 220))
    page.page.mouse.move(400, 300)
    page.page.mouse.down()
    page.page.mouse.move(450, 330, steps=3)
    page.page.mouse.up()
    assert page.told("windows") == [[pytest.approx(130), pytest.approx(270)]]
    page.press("0")
    assert page.told("windows") == [[100, 220]]


def test_the_kernel_can_move_the_viewer(open_viewer: Open, steps: Any) -> None:
    page = open_viewer(steps, window=(5.5, 11))
    page.page.evaluate("model.state.places = [9]; model.tell('change:places')")
    page.painted(0, 9)


def test_three_planes_hang_head_up_and_follow_the_crosshair(open_viewer: Open, steps: Any) -> None:
    page = open_viewer(Volume(steps, AFFINE), window=(5.5, 11))
    page.press("p")
    page.painted(0, 9, 1)
    page.painted(0, 9, 2)
    assert [page.corner(side, 1) for side in ("left", "right", "top", "bottom")] == list("RLHF")
    assert [page.corner(side, 2) for side in ("left", "right", "top", "bottom")] == list("APHF")
    assert "Coronal 10/20" in page.corner("bl", 1)
    # The last slice, nearest the head, is white and must be at the top.
    assert page.colour(0.3, 0.1, 1)[0] > 200 > 60 > page.colour(0.3, 0.9, 1)[0]
    page.press("Shift+ArrowLeft", "Shift+ArrowUp", number=0)
    page.painted(0, 8, 1)
    page.painted(0, 8, 2)


def test_planes_of_a_sagittal_series_stand_upright(open_viewer: Open) -> None:
    # Columns run to the back, rows to the feet, slices to the left, as a sagittal series has them.
    affine = np.array([[0, 0, 4.0, 0], [2.0, 0, 0, 0], [0, -2.0, 0, 0], [0, 0, 0, 1]])
    values = np.zeros((10, 20, 20), np.int16)
    values[:, :, :10] = 100  # the front half of the patient
    values[:5] += 50  # and the right half
    page = open_viewer(Volume(values, affine), window=(100, 200), planes=True)
    page.painted(0, 9, 2)
    sides = ("left", "right", "top", "bottom")
    assert ["".join(page.corner(side, k) for side in sides) for k in (0, 1, 2)] == [
        "APHF", "RLAP", "RLHF",
    ]  # fmt: skip
    assert "Axial" in page.corner("bl", 1) and "Coronal" in page.corner("bl", 2)
    greys = [page.colour(x, y, 1)[0] for y in (0.3, 0.7) for x in (0.3, 0.7)]
    assert greys == sorted(greys, reverse=True) and len(set(greys)) == 4, "front right is brightest"


def test_the_probe_tells_value_millimetres_and_label(open_viewer: Open, steps: Any) -> None:
    mask = steps == 6
    mask[:, :, :5] = False
    page = open_viewer(Volume(steps, AFFINE), masks={"lesion": mask})
    page.press("Shift+ArrowRight")
    # The label comes with the marks, which the page asks for after the picture.
    page.page.wait_for_selector(".dcv-tr.dcv-text:has-text('lesion')", state="attached")
    assert page.corner("tr").split("\n") == ["6", "0.0, -2.0, 130.0 mm", "lesion"]
    told = page.told("probe")
    assert (told["value"], told["mm"], told["index"]) == (6, [0, -2, 130], [6, 9, 10])
    assert told["names"] == ["lesion"]
    assert "lesion" in str(page.page.locator("[aria-live]").text_content())


def test_masks_and_boxes_are_laid_over_and_switched(open_viewer: Open) -> None:
    image = np.full((20, 20), 50, np.int16)
    mask = np.zeros((20, 20), bool)
    mask[4:16, 4:16] = True
    box = {"name": "b", "left": 2, "top": 2, "right": 18, "bottom": 18}
    page = open_viewer(image, masks={"a": mask}, boxes=[box], window=(50, 100))
    page.page.wait_for_selector(".dcv-chip >> nth=1")
    grey, over = [128] * 3, page.colour(0.5, 0.5)
    assert over[0] > 150 > over[2] + 50, "amber over grey"
    page.press("m")
    assert page.colour(0.5, 0.5) == grey
    page.page.locator(".dcv-chip", has_text="a").click()
    assert page.colour(0.5, 0.5) == over
    slider = page.page.locator(".dcv-opacity").first
    slider.fill("100")
    assert page.colour(0.5, 0.5) == [255, 176, 0]
    assert page.page.locator(".dcv-chip").all_text_contents() == ["a", "b"]


def test_marks_begin_switched_off_where_a_reader_is_to_guess(open_viewer: Open) -> None:
    image, mask = np.full((20, 20), 50, np.int16), np.pad(np.ones((12, 12), bool), 4)
    page = open_viewer(image, masks={"a": mask}, window=(50, 100), marks=False)
    page.page.wait_for_selector(".dcv-chip")
    assert page.colour(0.5, 0.5) == [128] * 3
    page.page.locator(".dcv-chip", has_text="a").click()
    assert page.colour(0.5, 0.5) != [128] * 3


def test_two_series_are_linked_by_millimetres(open_viewer: Open, steps: Any) -> None:
    fine = np.repeat(steps, 2, axis=0)
    other = AFFINE.copy()
    other[2, 2], other[2, 3] = 2.5, 95  # twice as fine, and begins 5 mm lower
    page = open_viewer(Volume(steps, AFFINE), Volume(fine, other))
    page.press("ArrowDown")
    page.painted(0, 7)
    page.painted(0, 16, 1)
    page.press("l", "ArrowDown")
    page.painted(0, 8)
    page.painted(0, 16, 1)


def test_cases_follow_one_another_by_key_and_button(open_viewer: Open) -> None:
    rng = np.random.default_rng(2)
    images = [rng.integers(0, 99, (8 + k, 9), dtype=np.int16) for k in range(5)]
    page = open_viewer(viewer=Viewer([[partial(ArrayStack, image) for image in images]]))
    page.press("ArrowRight", "ArrowRight")
    page.painted(2, 0)
    page.page.get_by_role("button", name="Case before").click()
    page.painted(1, 0)
    assert page.told("cases") == [1]


def test_cine_plays_and_pauses(open_viewer: Open, steps: Any) -> None:
    page = open_viewer(steps)
    page.press(" ")
    for place in (9, 11, 1):  # round the end
        page.painted(0, place)
    page.press(" ")
    page.page.wait_for_timeout(300)
    still = page.page.locator("canvas").get_attribute("data-painted")
    page.page.wait_for_timeout(300)
    assert page.page.locator("canvas").get_attribute("data-painted") == still


def test_help_names_the_keys_in_the_reader_s_language(open_viewer: Open, steps: Any) -> None:
    page = open_viewer(steps, language="zh_CN")
    page.press("h")
    dialog = page.page.get_by_role("dialog", name="按键与鼠标")
    assert "窗宽变窄" in str(dialog.text_content())
    page.page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert page.page.evaluate("document.activeElement.tagName") == "CANVAS"


def test_everything_is_named_for_who_does_not_see_it(open_viewer: Open, steps: Any) -> None:
    page = open_viewer(Volume(steps, AFFINE), masks={"lesion": steps == 6})
    page.page.wait_for_selector(".dcv-chip")
    unnamed = page.page.evaluate(
        "[...document.querySelectorAll('button, input, select, canvas')]"
        ".filter((one) => !one.hidden && !(one.ariaLabel || one.textContent.trim()))"
        ".map((one) => one.outerHTML)"
    )
    assert unnamed == []
    assert "Axial 7/12" in str(page.page.locator("canvas").get_attribute("aria-label"))
    assert page.page.locator("canvas").get_attribute("tabindex") == "0"


def test_a_refusal_is_read_where_the_picture_would_be(open_viewer: Open) -> None:
    def refuse() -> Stack:
        raise NotReadable("The file 001.dcm cannot be read.")

    page = open_viewer(viewer=Viewer([[lambda: ArrayStack(np.eye(8)), refuse]]))
    page.press("ArrowRight")
    page.page.get_by_text("The file 001.dcm cannot be read.").wait_for()
    page.press("ArrowLeft")
    page.painted(0, 0)
