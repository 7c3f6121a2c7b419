"""The Hub as a student's container sees it: one that answers the session API, and keeps count."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from hub_config import clock

TOKEN = "the-servers-own"


class FakeHub:
    """Facts that a test sets; what the server said of itself."""

    def __init__(self, address: str) -> None:
        self.facts: dict[str, Any] = {"warn_minutes": 10, "stop_why": None, "extend": None}
        self.beats: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.progress: list[dict[str, Any]] = []
        self.progress_refused = False
        self.refusal: dict[str, Any] | None = None
        self._server = ThreadingHTTPServer((address, 0), self._handler())

    @property
    def environment(self) -> dict[str, str]:
        """What a container is given to find it."""
        host, port = self._server.server_address[:2]
        return {
            "JUPYTERHUB_API_URL": f"http://{host!s}:{port}/hub/api",
            "JUPYTERHUB_API_TOKEN": TOKEN,
        }

    def ends_in(self, **time: float) -> datetime:
        """Let the session end that far from now; when that is, to the second."""
        end = (clock.now() + timedelta(**time)).replace(microsecond=0)
        self.facts["ends_at"] = clock.to_iso(end)
        return end

    @contextmanager
    def answering(self) -> Iterator[FakeHub]:
        """Answer until the block ends."""
        thread = threading.Thread(target=self._server.serve_forever)
        thread.start()
        yield self
        self._server.shutdown()
        self._server.server_close()
        thread.join()

    def answer(self, path: str, token: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """What the Hub does with one request."""
        if token != f"token {TOKEN}":
            return 403, {"error": {"code": "session_token_only"}}
        self.asked.append(path)
        if path.endswith("/progress"):
            if self.progress_refused:
                return 429, {"error": {"code": "said_too_often"}}
            self.progress += body["progress"]
        elif path.endswith("/extend"):
            if self.refusal is not None:
                return 409, {"error": self.refusal}
            end = clock.from_iso(self.facts["ends_at"])
            end += timedelta(minutes=self.facts["extend"]["minutes"])
            self.facts |= {"ends_at": clock.to_iso(end), "extend": None}
        else:
            self.beats.append(body)
            if body.get("keep"):
                self.facts["stop_why"] = None
                self.ends_in(hours=2)
        return 200, self.facts

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, told = hub.answer(self.path, self.headers["Authorization"], body)
                content = json.dumps(told).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments: object) -> None:
                pass

        return Handler
