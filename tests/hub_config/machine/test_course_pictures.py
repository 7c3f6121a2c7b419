"""A notebook drawn as pictures, by the real Chromium."""

from __future__ import annotations

import shutil
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import nbformat
import pytest
from PIL import Image

from hub_config.machine import course_pictures


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    new = nbformat.v4
    shown = new.new_output("stream", text="a result")  # type: ignore[no-untyped-call]
    cells = [
        new.new_markdown_cell("# A page"),  # type: ignore[no-untyped-call]
        new.new_code_cell("taught = 1"),  # type: ignore[no-untyped-call]
        new.new_code_cell(  # type: ignore[no-untyped-call]
            "drawing = 2", metadata={"tags": ["folded"]}, outputs=[shown]
        ),
        new.new_markdown_cell("line\n\n" * 120),  # type: ignore[no-untyped-call]
    ]
    path = tmp_path / "run.ipynb"
    nbformat.write(new.new_notebook(cells=cells), path)  # type: ignore[no-untyped-call]
    return path


def test_folded_code_is_left_out_and_its_result_is_not(notebook: Path) -> None:
    page = course_pictures.as_page(notebook)
    assert "taught" in page and "a result" in page
    assert "drawing" not in page


@pytest.mark.skipif(
    not (shutil.which("chromium") or shutil.which("chromium-browser")),
    reason="Chromium is not installed; `./radlab test` installs it where it can",
)
def test_the_whole_page_is_drawn_and_reaches_nothing_outside(
    notebook: Path, tmp_path: Path
) -> None:
    asked: list[str] = []

    class Outside(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

    server = HTTPServer(("127.0.0.1", 0), Outside)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    read = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    read.cells[0].source = f'<img src="http://127.0.0.1:{server.server_port}/spy.png">'
    nbformat.write(read, notebook)  # type: ignore[no-untyped-call]
    pictures = course_pictures.draw(notebook, tmp_path / "out")
    server.shutdown()
    assert [path.name for path in pictures[:2]] == ["page-01.png", "page-02.png"]
    with Image.open(pictures[0]) as picture:
        assert picture.size == (course_pictures.WIDTH, course_pictures.HEIGHT)
    assert asked == []
