"""A socket before the real engine that lets a test say what goes wrong with which question.

    faulty.on("POST", r"/start$", hang)

One connection carries one question: the engine's client opens another for each, because every
answer says `Connection: close`.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_SERVER_ERROR = b'{"message":"the disk is on fire"}'


@dataclass
class Fault:
    """What happens to a question before it reaches the engine; True: it does not reach it."""

    meet: Callable[[socket.socket, threading.Event], bool]
    verb: str
    path: re.Pattern[str]
    times: int
    answered: Callable[[], None] | None = None


def through(asking: socket.socket, over: threading.Event) -> bool:
    """Nothing goes wrong."""
    return False


def refuse(asking: socket.socket, over: threading.Event) -> bool:
    """The connection is closed without a word."""
    return True


def hang(asking: socket.socket, over: threading.Event) -> bool:
    """There is no answer until the test is over."""
    over.wait(120)
    return True


def slow(seconds: float) -> Callable[[socket.socket, threading.Event], bool]:
    """The question is passed on late."""

    def wait(asking: socket.socket, over: threading.Event) -> bool:
        over.wait(seconds)
        return False

    return wait


def fail(asking: socket.socket, over: threading.Event) -> bool:
    """The engine answers 500."""
    head = "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(_SERVER_ERROR)}\r\nConnection: close\r\n\r\n"
    asking.sendall(head.encode() + _SERVER_ERROR)
    return True


class FaultyEngine:
    """Passes questions on to the engine at `target`, except where a fault meets them."""

    def __init__(self, folder: Path, target: str = "/var/run/docker.sock") -> None:
        self.path = folder / "e.sock"
        self.address = f"unix://{self.path}"
        self.target = target
        self.asked: list[str] = []
        self._faults: list[Fault] = []
        self.passed_late = threading.Event()
        self._over = threading.Event()
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self.path))
        self._listening.listen(128)
        threading.Thread(target=self._accept, daemon=True).start()

    def on(
        self,
        verb: str,
        path: str,
        meet: Callable[[socket.socket, threading.Event], bool],
        times: int = 1_000_000,
        answered: Callable[[], None] | None = None,
    ) -> None:
        """Let that happen to the next `times` questions like this, and that after the answer."""
        self._faults.append(Fault(meet, verb, re.compile(path), times, answered))

    def mend(self) -> None:
        """Nothing goes wrong any more; what hangs goes on to hang."""
        self._faults.clear()

    def close(self) -> None:
        self._over.set()
        self._listening.close()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                asking, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[asking], daemon=True).start()

    def _serve(self, asking: socket.socket) -> None:
        with asking:
            head = self._head(asking)
            if not head:
                return
            verb, path, _ = head.split(b"\r\n")[0].decode().split(" ")
            self.asked.append(f"{verb} {path}")
            fault = self._fault(verb, path.partition("?")[0])
            if fault is None or not fault.meet(asking, self._over):
                self._pass_on(asking, head)
                if fault is not None:
                    self.passed_late.set()
                    if fault.answered is not None:
                        fault.answered()

    def _fault(self, verb: str, path: str) -> Fault | None:
        for fault in self._faults:
            if fault.times and fault.verb == verb and fault.path.search(path):
                fault.times -= 1
                return fault
        return None

    def _head(self, asking: socket.socket) -> bytes:
        head = b""
        while b"\r\n\r\n" not in head:
            more = asking.recv(65536)
            if not more:
                return b""
            head += more
        return head

    def _pass_on(self, asking: socket.socket, head: bytes) -> None:
        with socket.socket(socket.AF_UNIX) as engine:
            try:
                engine.connect(self.target)
            except OSError:
                return
            first, rest = head.split(b"\r\n", 1)
            engine.sendall(first + b"\r\nConnection: close\r\n" + _without_connection(rest))
            back = threading.Thread(target=_copy, args=[asking, engine], daemon=True)
            back.start()
            _copy(engine, asking)


def _without_connection(rest: bytes) -> bytes:
    headers, body = rest.split(b"\r\n\r\n", 1)
    kept = [line for line in headers.split(b"\r\n") if not line.lower().startswith(b"connection:")]
    return b"\r\n".join(kept) + b"\r\n\r\n" + body


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while more := source.recv(65536):
            target.sendall(more)
    except OSError:
        return
