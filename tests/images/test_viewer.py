"""The viewer of `dicom_catalog` in JupyterLab, in a student's container without a network."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

pytestmark = [pytest.mark.engine, pytest.mark.images, pytest.mark.chromium]

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
TOKEN = "only-for-this-test"  # that of the container's server, conftest.py
CELL = """
import numpy as np
from dicom_catalog.viewing import look
volume = np.repeat(np.arange(9, dtype=np.int16), 400).reshape(9, 20, 20)
look(volume, masks={"lesion": volume == 4}, window=(4, 8))
"""
NOTEBOOK = {
    "cells": [
        {"cell_type": "code", "id": "a", "metadata": {}, "source": CELL, "outputs": [],
         "execution_count": None}
    ],
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    "nbformat": 4, "nbformat_minor": 5,
}  # fmt: skip


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("Chromium is not installed; `./radlab test` installs it where it can")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


def _cells(page: Page) -> int:
    return int(page.evaluate("window.jupyterapp.shell.currentWidget.content.widgets.length"))


def test_the_viewer_is_at_home_in_jupyterlab(start_lab: Any, chromium: Browser) -> None:
    given = f"--IdentityProvider.token={TOKEN}"
    lab = start_lab(command=["radlab-start", given, "--LabApp.expose_app_in_browser=True"])
    lab.wait_for("/api/status")
    page_text = json.dumps(NOTEBOOK)
    lab.run("python", "-c", f"open('/home/student/page.ipynb', 'w').write({page_text!r})")
    page = chromium.new_page(viewport={"width": 1200, "height": 900})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{lab.address}/lab/tree/page.ipynb?token={TOKEN}")
    loaded = "window.jupyterapp?.shell?.currentWidget?.content?.widgets?.length === 1"
    page.wait_for_function(loaded, timeout=90_000)
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]", timeout=90_000)
    # A cell that is run before the kernel has answered is lost.
    context = "window.jupyterapp.shell.currentWidget.sessionContext"
    page.evaluate(f"async () => {{ await {context}.ready; await {context}.session.kernel.info; }}")
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-cell'); }")
    page.wait_for_selector("canvas[data-painted='0/4']", timeout=60_000)
    page.locator(".dcv-chip").wait_for()

    # Keys that JupyterLab has, too: A and B insert a cell, D D deletes one, M makes it a text.
    page.locator("canvas").focus()
    for key in ("a", "b", "d", "d", "m", "ArrowDown"):
        page.keyboard.press(key)
    page.wait_for_selector("canvas[data-painted='0/5']")
    assert _cells(page) == 1
    assert page.locator(".dcv-chip").get_attribute("aria-pressed") == "false"

    # Nothing came from anywhere but the container.
    hosts = {urlsplit(url).netloc for url in asked if url.startswith(("http", "ws"))}
    assert hosts == {urlsplit(lab.address).netloc}

    # A page that is exported has the picture instead.
    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_selector(".jp-mod-dirty", state="detached")
    exported = lab.get("/nbconvert/html/page.ipynb?download=false")
    assert "data:image/png;base64," in exported and "widget-view+json" not in exported
    page.close()
