"""How soon a picture is there, and how many a second while one scrolls: `./radlab bench view`.

The viewer, and the common way: ipywidgets.interact with matplotlib's imshow; both in the same
JupyterLab of a student's container, on the same CT of 300 slices of 512 x 512, seen by the same
Chromium. The first picture counts from the moment in which the page runs the cell until pixels are
on it: the median of the later runs, and the first of the page, which loads the code, by itself.
Frames are different slices that the page has shown, while each of its frames asks for the next;
page frames are how many the browser drew at all: on a busy machine it draws fewer than 60 a second.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(Path(__file__).parent))
import ct_version  # noqa: E402
import view_lab  # noqa: E402

SLICES = 300

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
SETUP = """
import sys
sys.path.insert(0, "/checkout")
from dicom_catalog import Catalog
from dicom_catalog.viewing import look
import ipywidgets, matplotlib.pyplot as plt
%matplotlib inline
series = Catalog("/visible")["measured-ct"].series[0]
volume = series.array("hu")
def show(k):
    plt.figure(figsize=(5, 5))
    plt.imshow(volume[k], cmap="gray", vmin=-600, vmax=400)
    plt.axis("off")
    plt.show()
print("ready")
"""
ARMS = {
    "radlab": ("look(series, window=(-100, 1000))", "canvas[data-painted]"),
    "interact": ("_ = ipywidgets.interact(show, k=(0, 299))", ".jp-OutputArea-output img"),
}
WHAT = {
    "radlab": "dicom_catalog.viewing.look",
    "interact": "ipywidgets.interact with matplotlib's imshow",
}
# Runs cell k and waits, frame by frame, until what is looked for is there.
FIRST = """async ([k, selector]) => {
  const panel = window.jupyterapp.shell.currentWidget;
  panel.content.activeCellIndex = k;
  const cell = panel.content.widgets[k];
  await window.jupyterapp.commands.execute('notebook:clear-cell-output');
  while (cell.node.querySelector(selector)) await new Promise(requestAnimationFrame);
  const start = performance.now();
  window.jupyterapp.commands.execute('notebook:run-cell');
  for (;;) {
    const found = cell.node.querySelector(selector);
    if (found && (found.tagName !== 'IMG' || (found.complete && found.naturalWidth))) break;
    if (performance.now() - start > 30000) throw new Error('no picture: ' + cell.node.innerText);
    await new Promise(requestAnimationFrame);
  }
  return performance.now() - start;
}"""
# A cell that is run before the kernel has answered is lost.
RUN_FIRST = """async () => {
  const panel = window.jupyterapp.shell.currentWidget;
  await panel.sessionContext.ready;
  await panel.sessionContext.session.kernel.info;
  panel.content.activeCellIndex = 0;
  await window.jupyterapp.commands.execute('notebook:run-cell');
}"""
# Asks for the next slice in each frame of the page; counts the different ones that were shown.
SCROLL = {
    "radlab": """async ([k, seconds]) => {
  const cell = window.jupyterapp.shell.currentWidget.content.widgets[k];
  const canvas = cell.node.querySelector('canvas');
  const count = () => Number(canvas.dataset.frames);
  const [start, before] = [performance.now(), count()];
  let [turn, drawn] = [1, 0];
  while (performance.now() - start < seconds * 1000) {
    const place = Number(canvas.dataset.painted.split('/')[1]);
    if (place > 295) turn = -1;
    if (place < 4) turn = 1;
    const notch = {deltaY: 100 * turn, cancelable: true, bubbles: true};
    canvas.dispatchEvent(new WheelEvent('wheel', notch));
    await new Promise(requestAnimationFrame);
    drawn += 1;
  }
  return [count() - before, drawn].map((n) => n / ((performance.now() - start) / 1000));
}""",
    "interact": """async ([k, seconds]) => {
  const cell = window.jupyterapp.shell.currentWidget.content.widgets[k];
  const handle = cell.node.querySelector('.noUi-handle');
  const seen = new Set();
  handle.focus();
  const start = performance.now();
  let [turn, pressed] = ['ArrowLeft', 0];
  while (performance.now() - start < seconds * 1000) {
    if (++pressed % 140 === 0) turn = turn === 'ArrowLeft' ? 'ArrowRight' : 'ArrowLeft';
    const key = {key: turn, code: turn, bubbles: true, cancelable: true};
    handle.dispatchEvent(new KeyboardEvent('keydown', key));
    await new Promise(requestAnimationFrame);
    const image = cell.node.querySelector('.jp-OutputArea-output img');
    if (image?.complete) seen.add(image.src.length + image.src.slice(2000, 6000));
  }
  return [seen.size, pressed].map((n) => n / ((performance.now() - start) / 1000));
}""",
}


def main() -> int:
    parser = argparse.ArgumentParser(description="The viewer beside ipywidgets and matplotlib.")
    parser.add_argument("--image", default="radlab/imaging:1.0", help="the student's image")
    parser.add_argument("--runs", type=int, default=7, help="runs of each arm (default 7)")
    parser.add_argument("--seconds", type=float, default=5, help="of scrolling (default 5)")
    parser.add_argument("--json", action="store_true", help="figures only")
    parser.add_argument("--shot", type=Path, help="where to save a picture of the page")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        ct_version.write(Path(folder), SLICES, 512)
        cells = [SETUP, *(code for code, _ in ARMS.values())]
        volumes = {folder: "/visible", str(ROOT / "datasets" / "client"): "/checkout"}
        with view_lab.lab(given.image, cells, volumes) as address:
            figures = measure(address, given.runs, given.seconds, given.shot)
    if given.json:
        print(json.dumps({"bench": "view", "arms": WHAT, "figures": figures}, indent=1))
    else:
        print(table(figures))
    return 0


def measure(address: str, runs: int, seconds: float, shot: Path | None) -> dict[str, Any]:
    """Milliseconds to the first picture and frames a second, of each arm, in turns."""
    found: dict[str, list[float]] = {arm: [] for arm in ARMS}
    figures: dict[str, Any] = {}
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        _open(page, address)
        for _ in range(runs):
            for number, (arm, (_, selector)) in enumerate(ARMS.items(), start=1):
                found[arm].append(page.evaluate(FIRST, [number, selector]))
                page.wait_for_timeout(500)
        for number, arm in enumerate(ARMS, start=1):
            first, *later = found[arm]
            shown, drawn = page.evaluate(SCROLL[arm], [number, seconds])
            figures[arm] = {
                "first_of_page_ms": round(first),
                "first_ms": round(statistics.median(later or [first])),
                "frames_s": round(shown, 1),
                "page_frames_s": round(drawn, 1),
            }
        if shot is not None:
            page.screenshot(path=shot)
        browser.close()
    return figures


def _open(page: Page, address: str) -> None:
    page.goto(address)
    loaded = "window.jupyterapp?.shell?.currentWidget?.content?.widgets?.length === 3"
    page.wait_for_function(loaded, timeout=120_000)
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]", timeout=120_000)
    page.evaluate(RUN_FIRST)
    page.get_by_text("ready", exact=True).wait_for(timeout=120_000)


def table(figures: dict[str, Any]) -> str:
    """The figures as lines, arms named."""
    lines = [
        "view: 300 slices of 512 x 512 in JupyterLab",
        *(f"  {a}: {w}" for a, w in WHAT.items()),
    ]
    form = "{:<10} {:>16} {:>14} {:>10} {:>15}"
    lines += [
        "",
        form.format("arm", "first of page ms", "first image ms", "frames/s", "page frames/s"),
    ]
    for arm, of in figures.items():
        lines.append(
            form.format(
                arm,
                *(of[key] for key in ("first_of_page_ms", "first_ms", "frames_s", "page_frames_s")),
            )
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
