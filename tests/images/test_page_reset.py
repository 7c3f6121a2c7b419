"""The button that begins a page anew, in a real JupyterLab: asked, saved, reset, shown."""

from __future__ import annotations

import json
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

pytestmark = [pytest.mark.engine, pytest.mark.images, pytest.mark.chromium]

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
PATIENCE = 60_000
TOKEN = "only-for-this-test"
# Without it JupyterLab asks first which kernel to start.
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
PAGE = "03_network/lesson.ipynb"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip("Chromium is not installed; `./radlab test` installs it where it can")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page(viewport={"width": 1280, "height": 800})
    yield opened
    opened.close()


def notebook(text: str, **radlab: str) -> dict[str, Any]:
    return {
        "cells": [{"cell_type": "markdown", "id": "card", "metadata": {}, "source": text}],
        "metadata": {"kernelspec": KERNEL, **({"radlab": radlab} if radlab else {})},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """A published module in two versions, as the keeper mounts it."""
    tmp_path.chmod(0o755)
    for version in ("1.0.0", "1.1.0"):
        folder = tmp_path / "modules" / "03_network" / version
        folder.mkdir(parents=True)
        facts: dict[str, Any] = {
            "id": "03_network",
            "title": {"en": "A first network"},
            "version": version,
        }
        (folder / "module.json").write_text(
            json.dumps({**facts, "changes": {"en": "New figures."}})
        )
        told = notebook("# As given out", module="03_network", version=version, language="en")
        (folder / "lesson.ipynb").write_text(json.dumps(told))
    return tmp_path / "modules"


def environment(version: str, language: str = "en") -> dict[str, str]:
    return {
        "RADLAB_MODULE": "03_network",
        "RADLAB_MODULE_VERSION": version,
        "RADLAB_LANGUAGE": language,
    }


def mounted(modules: Path) -> dict[str, Any]:
    return {str(modules): {"bind": "/modules", "mode": "ro"}}


def files(lab: Any, folder: str) -> list[str]:
    return sorted(lab.run("ls", f"/home/student/{folder}").split())


def save(lab: Any, path: str, text: str, **radlab: str) -> None:
    """Write a notebook where the student's lies."""
    content = json.dumps(notebook(text, **radlab))
    lab.run("python3", "-c", f"open('/home/student/{path}', 'w').write({content!r})")


@pytest.mark.parametrize(
    ("language", "button", "yes", "done"),
    [
        ("en", "Reset this page", "Begin anew", "The page is as it was given out."),
        ("zh_CN", "重置此页", "重新开始", "此页已恢复为发放时的样子。"),
    ],
)
def test_a_student_begins_a_page_anew(
    start_lab, page: Page, modules: Path, language: str, button: str, yes: str, done: str
) -> None:
    lab = start_lab(environment=environment("1.0.0", language), volumes=mounted(modules))
    lab.wait()
    save(lab, PAGE, "# My work", module="03_network", version="1.0.0", language="en")
    page.goto(f"{lab.address}/lab/tree/{PAGE}?token={TOKEN}", timeout=PATIENCE)
    page.wait_for_selector(".jp-RenderedMarkdown >> text=My work", timeout=PATIENCE)
    page.click(f".jp-NotebookPanel-toolbar >> text={button}", timeout=PATIENCE)
    # The button's word stands in the question too, before it.
    page.locator(f".Toastify__toast >> text={yes}").last.click(timeout=PATIENCE)
    page.wait_for_selector(f".Toastify__toast:has-text('{done}')", timeout=PATIENCE)
    page.wait_for_selector(".jp-RenderedMarkdown >> text=As given out", timeout=PATIENCE)
    assert page.query_selector(".jp-RenderedMarkdown >> text=My work") is None
    (backup,) = [name for name in files(lab, "03_network") if ".backup-" in name]
    assert "My work" in lab.run("cat", f"/home/student/03_network/{backup}")
    assert "As given out" in lab.run("cat", f"/home/student/{PAGE}")


def test_a_notebook_of_the_students_own_has_no_such_button(
    start_lab, page: Page, modules: Path
) -> None:
    lab = start_lab(environment=environment("1.0.0"), volumes=mounted(modules))
    lab.wait()
    save(lab, "own.ipynb", "# My own")
    page.goto(f"{lab.address}/lab/tree/own.ipynb?token={TOKEN}", timeout=PATIENCE)
    page.wait_for_selector(".jp-RenderedMarkdown >> text=My own", timeout=PATIENCE)
    # The bar is drawn whole once it has the button's place, whether it shows it or not.
    place = ".jp-NotebookPanel-toolbar [data-jp-item-name='radlab-reset']"
    page.wait_for_selector(place, state="attached", timeout=PATIENCE)
    page.wait_for_timeout(1000)
    assert not page.is_visible(place)


def test_the_route_says_why_it_resets_nothing(start_lab, modules: Path) -> None:
    lab = start_lab(environment=environment("1.0.0"), volumes=mounted(modules))
    lab.wait()
    save(lab, "own.ipynb", "# My own")
    for path, status, code in (
        ("own.ipynb", 409, "not_published"),
        ("gone.ipynb", 409, "no_page"),
        ("../../modules/03_network/1.0.0/lesson.ipynb", 409, "no_page"),
        ("", 400, None),
        (5, 400, None),
    ):
        with pytest.raises(urllib.error.HTTPError) as refused:
            lab.post("/radlab/reset", {"path": path})
        assert refused.value.code == status
        if code:
            assert json.loads(refused.value.read()) == {"refused": code}
    assert json.loads(lab.post("/radlab/reset", {"path": PAGE}))["page"] == "lesson.ipynb"


def test_a_new_version_is_announced_and_lies_beside_the_old(
    start_lab, page: Page, modules: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o777)
    home.chmod(0o777)
    old = start_lab(home=home, environment=environment("1.0.0"), volumes=mounted(modules))
    old.wait()
    save(old, PAGE, "# My work", module="03_network", version="1.0.0", language="en")
    old.container.stop(timeout=1)
    new = start_lab(home=home, environment=environment("1.1.0"), volumes=mounted(modules))
    new.wait()
    assert "03_network-1.1.0" in new.landing()
    page.goto(f"{new.address}/lab?token={TOKEN}", timeout=PATIENCE)
    toast = page.wait_for_selector(".Toastify__toast:has-text('new version')", timeout=PATIENCE)
    assert toast is not None
    assert "03_network has a new version, 1.1.0" in toast.inner_text()
    assert "New figures." in new.run("cat", "/home/student/03_network-1.1.0/NEW_VERSION.md")
    assert "My work" in new.run("cat", f"/home/student/{PAGE}")
