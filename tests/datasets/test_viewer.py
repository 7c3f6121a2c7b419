"""The viewer's half in the kernel: what it sends to the browser, and its picture on a page."""

from __future__ import annotations

import base64
import io
import json
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dicom_archive.store import Published
from dicom_catalog import Catalog, Dataset
from dicom_catalog.annotations import Box
from dicom_catalog.upright import Volume
from dicom_catalog.viewing import look
from dicom_catalog.viewing.presets import presets, window_of
from dicom_catalog.viewing.still import still

widget = pytest.importorskip("dicom_catalog.viewing.widget", reason="needs anywidget")

AFFINE = np.array([[2.0, 0, 0, -10], [0, 3.0, 0, -20], [0, 0, 5.0, 100], [0, 0, 0, 1]])


@pytest.fixture
def values() -> np.ndarray[Any, Any]:
    return np.random.default_rng(4).integers(-900, 900, (6, 8, 10), dtype=np.int16)


@pytest.fixture
def films(sample: Published) -> Dataset:
    return Catalog(sample.folder.parents[1])["chest-film"]


class Browser:
    """Asks a widget as the page does, and keeps what it says."""

    def __init__(self, viewer: Any) -> None:
        self.viewer, self.said = viewer, []
        viewer.send = lambda told, buffers=(): self.said.append((told, list(buffers)))

    def ask(self, kind: str, case: int = 0, **more: Any) -> tuple[dict[str, Any], list[Any]]:
        question = {"kind": kind, "pane": 0, "case": case, "viewer": 7, **more}
        self.viewer._asked(self.viewer, question, [])
        return self.said.pop()  # type: ignore[no-any-return]

    def plane(self, axis: int, place: int, marks: bool = False) -> list[np.ndarray[Any, Any]]:
        told, buffers = self.ask("planes", axis=axis, places=[place], marks=marks)
        head = told["planes"][0]
        kinds = [head["type"], head["marks"]]
        shape = (head["rows"], head["columns"], -1)
        arrays = [np.frombuffer(b, k) for b, k in zip(buffers, kinds, strict=False)]
        return [a.reshape(shape).squeeze(-1) if len(a) < 999 else a for a in arrays]


@pytest.mark.parametrize(("axis", "place"), [(0, 4), (1, 7), (2, 9)])
def test_the_three_planes_of_a_volume_are_its_values(values: Any, axis: int, place: int) -> None:
    (plane,) = Browser(look(Volume(values, AFFINE))).plane(axis, place)
    assert np.array_equal(plane, np.take(values, place, axis))


def test_the_first_plane_goes_with_the_widget(values: Any) -> None:
    viewer = look(values)
    head = viewer.first[0]
    assert viewer.places == [3] and (head["rows"], head["columns"], head["type"]) == (
        8,
        10,
        "int16",
    )
    assert bytes(head["data"]) == values[3].tobytes()


def test_a_film_goes_as_it_is_stored_with_its_window(films: Dataset) -> None:
    browser = Browser(look(films))
    told, buffers = browser.ask("case", case=4)
    assert bytes(buffers[0]) == films[4].pixels.tobytes()
    assert told["stack"]["window"] == list(films[4].window) and told["viewer"] == 7
    assert films[4].patient_id in told["stack"]["title"]
    assert browser.viewer.scene["cases"] == [len(films)]


def test_masks_are_bits_in_the_order_of_their_names(values: Any) -> None:
    masks = {name: np.zeros(values.shape, bool) for name in ("lung", "nodule")}
    masks["lung"][:, 2:6] = True
    masks["nodule"][3, 4, 5] = True
    browser = Browser(look(values, masks=masks))
    told, _ = browser.ask("overlays")
    assert told["overlays"]["masks"] == ["lung", "nodule"]
    _, bits = browser.plane(0, 3, marks=True)
    assert np.array_equal(bits & 1, masks["lung"][3]) and np.array_equal(
        bits >> 1, masks["nodule"][3]
    )
    assert len(browser.plane(1, 7, marks=True)) == 1, "a plane without a mask sends none"


def test_more_masks_than_bits_share_the_last_one(values: Any) -> None:
    masks = {f"m{k}": np.arange(values.size).reshape(values.shape) == k for k in range(40)}
    browser = Browser(look(values, masks=masks))
    assert len(browser.ask("overlays")[0]["overlays"]["masks"]) == 32
    _, bits = browser.plane(0, 0, marks=True)
    assert bits.dtype == np.uint32 and bits.ravel()[30] == 1 << 30 and bits.ravel()[39] == 1 << 31


def test_a_mask_of_another_shape_is_refused_where_it_would_be_seen(values: Any) -> None:
    with pytest.raises(ValueError, match=r"'wrong' has the shape \(2, 2\).*\(6, 8, 10\)"):
        look(values, masks={"wrong": np.ones((2, 2))})


def test_boxes_go_through_their_slices(values: Any) -> None:
    corner = {"name": "x", "left": 0, "top": 0, "right": 1, "bottom": 1, "frame": 5}
    boxes = [Box("", "nodule", 1, 2, 3, 4, first=2, last=4), corner]
    told, _ = Browser(look(values, boxes=boxes)).ask("overlays")
    assert [(b["name"], b["first"], b["last"]) for b in told["overlays"]["boxes"]] == [
        ("nodule", 2, 4), ("x", 5, 5),
    ]  # fmt: skip


@pytest.mark.parametrize(("given", "shape", "colour"), [
    (np.zeros((5, 6)), [1, 5, 6], False),
    (np.zeros((4, 5, 6), bool), [4, 5, 6], False),
    (np.zeros((5, 6, 3), np.uint8), [1, 5, 6], True),
    (np.zeros((4, 5, 6, 3), np.float32), [4, 5, 6], True),
    (np.zeros((4, 1, 5, 6), np.float32), [4, 5, 6], False),
    (np.zeros((4, 3, 5, 6), np.float32), [4, 5, 6], True),
])  # fmt: skip
def test_arrays_are_slices_whatever_their_layout(
    given: Any, shape: list[int], colour: bool
) -> None:
    stack = look(given).scene["stacks"][0]
    assert (stack["shape"], stack["colour"]) == (shape, colour)


def test_what_is_no_picture_is_refused_with_the_layouts() -> None:
    with pytest.raises(ValueError, match=r"shape \(3,\) is no picture.*slices, rows, columns"):
        look(np.zeros(3))


def test_a_failing_answer_is_told_instead_of_lost(values: Any) -> None:
    told, buffers = Browser(look(values)).ask("planes", axis=0, places=[99])
    assert "99" in told["refused"] and buffers == []


def test_only_cases_near_the_one_that_is_seen_are_held_open(films: Dataset) -> None:
    viewer = look(films)
    for number in range(len(films)):
        viewer.stack(0, number)
    assert sorted(case for _, case in viewer._open) == list(
        range(len(films) - widget.KEPT_CASES, len(films))
    )


def test_the_window_of_an_array_ignores_what_is_no_number() -> None:
    assert window_of(np.array([0.0, 4.0, np.nan, np.inf])) == (2.0, 4.0)
    assert window_of(np.zeros((50, 50))) == (0.0, 1e-6)


def test_presets_are_of_units_that_they_are_meant_for() -> None:
    assert [one["name"] for one in presets("CT", "HU")][:2] == ["soft_tissue", "lung"]
    assert presets("MR", "") == presets("CT", "") == []


def test_a_page_without_a_kernel_gets_a_picture(films: Dataset) -> None:
    data, _ = look(films)._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    seen = np.asarray(Image.open(io.BytesIO(base64.b64decode(data["image/png"]))))
    assert seen.ndim == 2 and seen.std() > 10


def test_the_picture_has_window_masks_and_boxes() -> None:
    image = np.full((20, 30), 50, np.int16)
    mask = np.pad(np.ones((6, 6)), ((2, 12), (2, 22)))
    box = {"name": "b", "left": 15, "top": 5, "right": 25, "bottom": 15}
    viewer = look(image, masks={"a": mask}, boxes=[box], window=(50, 100))
    seen = still(viewer.stack(0, 0), 0, 50, 100)
    grey = seen[18, 28]
    assert np.allclose(grey, 0.5, atol=0.01)
    assert np.allclose(seen[2, 2] * 255, (255, 176, 0)), "a mask's edge"
    assert np.allclose(seen[4, 4] * 255, 127.5 + 0.35 * (np.array([255, 176, 0]) - 127.5), atol=1)
    assert np.allclose(seen[5, 20] * 255, (86, 180, 233)), "a box's line"


def test_marks_that_begin_switched_off_are_not_in_the_picture() -> None:
    image, mask = np.full((20, 30), 50, np.int16), np.pad(np.ones((6, 6)), ((2, 12), (2, 22)))
    viewer = look(image, masks={"a": mask}, window=(50, 100), marks=False)
    assert viewer.scene["marks"] is False
    data, _ = viewer._repr_mimebundle_()
    seen = np.asarray(Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB"))
    assert set(np.unique(seen)) == {0, 128}, "the image and its frame"
    shown, _ = look(image, masks={"a": mask}, window=(50, 100))._repr_mimebundle_()
    other = np.asarray(Image.open(io.BytesIO(base64.b64decode(shown["image/png"]))).convert("RGB"))
    assert len(np.unique(other)) > 2


def test_texts_are_the_same_in_both_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    known = json.loads(widget.asset("texts.json"))
    assert known["en"].keys() == known["zh_CN"].keys()
    monkeypatch.setenv("RADLAB_LANGUAGE", "zh_CN")
    assert widget.texts()["lung"] == "肺窗" and widget.texts("en")["lung"] == "Lung"


def test_every_text_of_the_page_is_written() -> None:
    source = widget.Viewer._esm
    known = json.loads(widget.asset("texts.json"))["en"]
    used = set(re.findall(r"(?:\bt|texts)\.([a-z_]+)\b(?!\.json)", source)) - {"json"}
    assert used and used <= known.keys()


def test_the_viewer_loads_nothing_from_elsewhere() -> None:
    for part in (*widget.PARTS, "viewer.css"):
        text = widget.asset(part)
        assert "http" not in text and "@import" not in text and "fetch(" not in text, part
