"""What people do in a browser, step by step, as the pages name it."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Page, expect

PASSWORD = "seven quiet lanterns"


def sign_up(page: Page, link: str, name: str, *, shot: Any = None) -> None:
    """Open an invite link and make an account; the page after it is shown."""
    page.goto(link)
    expect(page.locator("#code")).not_to_have_value("")
    page.fill("#username", name)
    page.fill("#password", PASSWORD)
    page.fill("#password_again", PASSWORD)
    page.check("#notice")
    if shot:
        shot()
    page.click("form.rl-form button.rl-button--primary")
    page.wait_for_load_state()


def portal(page: Page, address: str, path: str = "") -> None:
    """Open a page of the portal; the Hub signs the person in by itself."""
    page.goto(f"{address}/services/radlab/{path}")
    expect(page.locator("h1")).to_be_visible()


def make_group(page: Page, address: str, name: str, title: str) -> None:
    portal(page, address, "groups")
    page.fill("#name", name)
    page.fill("#title", title)
    page.click("section[aria-labelledby=new-group] button.rl-button--primary")
    expect(page.locator("table")).to_contain_text(name)


def assign_gpu(page: Page, address: str, index: int, group: str) -> None:
    portal(page, address, "gpus")
    row = page.locator("tr", has_text=f"GPU {index}")
    row.locator("select").select_option(group)
    row.get_by_role("button", name="Assign").click()
    expect(page.locator("tr", has_text=f"GPU {index}").locator("select")).to_have_value(group)


def create_code(page: Page, address: str, *, group: str, uses: int, role: str = "student") -> str:
    """The invite's link, read from the page that shows it once."""
    portal(page, address, "invites")
    page.locator("#role").select_option(role)
    page.select_option("#group", group)
    page.fill("#uses", str(uses))
    page.get_by_role("button", name="Create the code").click()
    link = page.locator("#link").inner_text().strip()
    return re.sub(r"^https?://[^/]+", address, link)


def start(page: Page, value: str) -> None:
    """Press one Start button of the launch page."""
    page.click(f"button[name=start][value='{value}']")


def wait_for_lab(page: Page, timeout_s: float = 120) -> None:
    """Return when JupyterLab is usable."""
    page.wait_for_url(re.compile(r"/user/[^/]+/lab"), timeout=timeout_s * 1000)
    page.wait_for_selector("#jp-main-dock-panel", timeout=timeout_s * 1000)
    page.wait_for_selector("#jupyterlab-splash", state="detached", timeout=timeout_s * 1000)


def stop_own_server(page: Page, address: str) -> None:
    page.goto(f"{address}/hub/home")
    page.once("dialog", lambda dialog: dialog.accept())
    page.click("#stop-server")
    page.wait_for_selector("a#start[href$='/hub/spawn']", timeout=60_000)
