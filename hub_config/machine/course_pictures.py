"""An executed notebook as a page and as pictures of all of it, to be looked at before it is taught.

Folded cells show their result alone, as students see them. Sliders and viewers are drawn in the
browser by a running kernel, so in these pictures their places show a line of text.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import nbformat

from hub_config.errors import Unready

WIDTH, HEIGHT = 1100, 3000
PAGE = "page.html"


class NoBrowser(Unready):
    """Nothing here can draw a page."""

    code = "no_browser"


def draw(notebook: Path, out: Path) -> list[Path]:
    """Write `page.html` and `page-01.png`, `page-02.png` ... into `out`; NoBrowser."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise _no_browser() from error
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise _no_browser()
    out.mkdir(parents=True, exist_ok=True)
    page_file = out / PAGE
    page_file.write_text(as_page(notebook), encoding="utf-8")
    pictures = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT})
        # What the page says is a stranger's: it is drawn without a network.
        context.route("**/*", lambda route: _own(route, page_file))
        page = context.new_page()
        page.goto(page_file.resolve().as_uri(), wait_until="load")
        whole = int(page.evaluate("document.documentElement.scrollHeight"))
        for number, top in enumerate(range(0, whole, HEIGHT), start=1):
            # Chromium draws no picture of any height in one piece.
            page.evaluate("top => window.scrollTo(0, top)", top)
            pictures.append(out / f"page-{number:02}.png")
            page.screenshot(path=pictures[-1])
        browser.close()
    return pictures


def as_page(notebook: Path) -> str:
    """The HTML of an executed notebook; code of folded cells left out."""
    from nbconvert import HTMLExporter
    from traitlets.config import Config

    config = Config()
    config.TagRemovePreprocessor.enabled = True
    config.TagRemovePreprocessor.remove_input_tags = {"folded"}
    read = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    made = HTMLExporter(config=config)  # type: ignore[no-untyped-call]
    text, _ = made.from_notebook_node(read)
    return str(text)


def _own(route: Any, page: Path) -> None:
    if route.request.url == page.resolve().as_uri():
        route.continue_()
    else:
        route.abort()


def _no_browser() -> NoBrowser:
    return NoBrowser(
        "There is no Chromium here, or no Playwright to steer it, to draw pictures with.",
        do="Install them (`./radlab test` does so), or keep the notebook with --keep DIR.",
    )
