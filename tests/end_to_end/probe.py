"""Asked from inside a student's container: which addresses answer. Prints JSON.

Standard library only: it is handed to the container's own Python as text.
"""

from __future__ import annotations

import json
import socket
import sys


def answers(host: str, port: int) -> bool:
    """Whether a TCP connection to that port is accepted within two seconds."""
    try:
        with socket.create_connection((host, port), timeout=2):
            return True
    except OSError:
        return False


targets = [target.rsplit(":", 1) for target in sys.argv[1:]]
print(json.dumps({f"{host}:{port}": answers(host, int(port)) for host, port in targets}))
