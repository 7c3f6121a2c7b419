"""A page of Chromium with the viewer on it, and the real widget in this process behind it.

Only the road between them is ours: a function of the page that hands messages over, instead of a
kernel's websocket. tests/images/test_viewer.py goes the real road, in JupyterLab.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from playwright.sync_api import Page

MODEL = """
class Model {
  constructor(state) { this.state = state; this.heard = {}; this.changed = {}; }
  get(name) { return this.state[name]; }
  set(name, value) { this.state[name] = value; this.changed[name] = value; }
  save_changes() { window.toKernel('state', JSON.stringify(this.changed)); this.changed = {}; }
  on(name, run) { (this.heard[name] ??= []).push(run); }
  off(name, run) { this.heard[name] = (this.heard[name] ?? []).filter((one) => one !== run); }
  tell(name, ...given) { for (const run of this.heard[name] ?? []) run(...given); }
  async send(content) {
    const said = await window.toKernel('message', JSON.stringify(content));
    for (const [told, buffers] of said) this.tell('msg:custom', told, buffers.map(binary));
  }
}
const binary = (text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
window.start = async (source, css, state) => {
  for (const head of state.first) head.data = binary(head.data);
  const style = document.createElement('style');
  style.textContent = css;
  document.head.append(style);
  const url = URL.createObjectURL(new Blob([source], {type: 'text/javascript'}));
  window.model = new Model(state);
  const module = await import(url);
  window.close_viewer = module.default.render({model: window.model, el: document.body});
};
"""


def _text(buffer: Any) -> str:
    return base64.b64encode(bytes(buffer)).decode()


class ViewerPage:
    """Opens a viewer on a page and gives what its canvases show."""

    def __init__(self, page: Page, viewer: Any) -> None:
        self.page, self.viewer, self.asked = page, viewer, []
        self._said: list[Any] = []
        viewer.send = lambda told, buffers=(): self._said.append(
            [told, [_text(buffer) for buffer in buffers]]
        )
        page.expose_function("toKernel", self._heard)
        page.set_content("<!doctype html><body style='margin:8px'></body>")
        page.evaluate(f"() => {{ {MODEL} }}")
        names = ("scene", "first", "cases", "places", "windows", "probe")
        state = {name: getattr(viewer, name) for name in names}
        state["first"] = [{**head, "data": _text(head["data"])} for head in viewer.first]
        page.evaluate(
            "([source, css, state]) => window.start(source, css, state)",
            [viewer._esm, viewer._css, state],
        )
        page.wait_for_selector("canvas[data-painted]")

    def _heard(self, kind: str, text: str) -> list[Any]:
        content = json.loads(text)
        if kind == "state":
            for name, value in content.items():
                setattr(self.viewer, name, value)
            return []
        self.asked.append(content)
        self._said = []
        self.viewer._asked(self.viewer, content, [])
        return self._said

    def painted(self, case: int, place: int, number: int = 0) -> None:
        """Waits until a canvas shows this slice of this case."""
        self.page.wait_for_function(
            f"document.querySelectorAll('canvas')[{number}].dataset.painted === '{case}/{place}'"
        )

    def press(self, *keys: str, number: int = 0) -> None:
        """Keys, on one of the canvases."""
        self.page.locator("canvas").nth(number).focus()
        for key in keys:
            self.page.keyboard.press(key)

    def colour(self, part_x: float, part_y: float, number: int = 0) -> list[int]:
        """Red, green, blue at a place of a canvas, given in parts of its width and height."""
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => "
                           "requestAnimationFrame(done)))")  # fmt: skip
        found = (
            self.page.locator("canvas")
            .nth(number)
            .evaluate(
                "(canvas, [x, y]) => [...canvas.getContext('2d').getImageData("
                "Math.floor(x * canvas.width), Math.floor(y * canvas.height), 1, 1).data]",
                [part_x, part_y],
            )
        )
        return list(found[:3])

    def corner(self, place: str, number: int = 0) -> str:
        """The text in a corner of a view: tl, tr, bl, br, left, right, top or bottom."""
        return str(self.page.locator(f".dcv-{place}.dcv-text").nth(number).text_content())

    def told(self, name: str) -> Any:
        """A trait of the widget, once the page has told it."""
        self.page.wait_for_timeout(400)
        return getattr(self.viewer, name)
