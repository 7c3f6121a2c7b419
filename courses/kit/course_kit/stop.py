"""A button that stops a running cell: the kernel is busy then and hears no button of its own.

Its JavaScript asks Jupyter's own address for an interrupt of this kernel, as the square button of
the tool bar does; the running cell gets KeyboardInterrupt. Outside of Jupyter there is no button.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import anywidget
import traitlets
from IPython import get_ipython

from course_kit import show
from course_kit.texts import say


class Stop(anywidget.AnyWidget):
    """The button; `done` takes it off the page."""

    _esm = """
    function render({ model, el }) {
      const button = document.createElement("button");
      button.textContent = "■ " + model.get("label");
      button.title = model.get("title");
      button.style.cssText = "border:1px solid #cbd5e1;background:#fff;color:#334155;" +
        "border-radius:6px;padding:4px 14px;cursor:pointer;font-size:13px";
      button.onclick = async () => {
        button.disabled = true;
        button.textContent = model.get("stopping");
        const config = document.getElementById("jupyter-config-data");
        const base = config ? JSON.parse(config.textContent).baseUrl : "/";
        const token = document.cookie.match(/(?:^|; )_xsrf=([^;]*)/);
        const headers = token ? { "X-XSRFToken": decodeURIComponent(token[1]) } : {};
        const url = base + "api/kernels/" + model.get("kernel") + "/interrupt";
        const answer = await fetch(url, { method: "POST", credentials: "same-origin", headers });
        if (!answer.ok) { button.disabled = false; button.textContent = model.get("failed"); }
      };
      const drawn = () => { el.style.display = model.get("done") ? "none" : "block"; };
      model.on("change:done", drawn);
      drawn();
      el.appendChild(button);
    }
    export default { render };
    """
    kernel = traitlets.Unicode().tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)
    stopping = traitlets.Unicode().tag(sync=True)
    failed = traitlets.Unicode().tag(sync=True)
    done = traitlets.Bool(False).tag(sync=True)


def kernel_id() -> str:
    """Jupyter's name of this kernel; nothing where there is none."""
    if get_ipython() is None:
        return ""
    with contextlib.suppress(Exception):
        from ipykernel.connect import get_connection_file

        found = re.fullmatch(r"kernel-(.+)\.json", Path(get_connection_file()).name)
        return found[1] if found else ""
    return ""


def stop_button() -> Stop | None:
    """Show the button, or nothing where no kernel could be interrupted."""
    kernel = kernel_id()
    if not kernel:
        return None
    button = Stop(
        kernel=kernel,
        label=say("stop"),
        title=say("stop_title"),
        stopping=say("stop_stopping"),
        failed=say("stop_failed"),
    )
    show.render(button)
    return button
