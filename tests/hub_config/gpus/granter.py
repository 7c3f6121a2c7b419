"""Processes that ask for GPUs again and again, and cry out where somebody else has their GPU.

Each line of standard input names a person; a process is forked that asks as that person until it
is killed, and its number is printed. It is forked from here because this process has imported all
and has opened no database. While it holds a device it holds a file of the device's name, made with
O_EXCL: the file system is a witness that does not depend on the ledger.

Usage: granter.py DATABASE_URL FOLDER; what a process counted goes to FOLDER/<person>.log, a line a
lease, and what went wrong to FOLDER/<person>.err.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from pathlib import Path

from hub_config import clock
from hub_config.db import open_database
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.model import Ended, LeaseRequest
from hub_config.gpus.rules import NoFreeGpu

# Seconds. All ask at the same instants and hold for most of a tick: reading too early shows.
TICK, HOLD = 0.05, 0.03


def ask_for_ever(ledger: Ledger, folder: Path, username: str) -> None:
    """Grant, witness, release, again and again."""
    request = LeaseRequest(
        username=username,
        groups=("radiology",),
        gpu_count=1,
        cpus=1,
        memory_mb=1,
        minutes=5,
        image="i",
    )
    while True:
        time.sleep(-time.time() % TICK)
        try:
            lease = ledger.grant(request, clock.now())
        except NoFreeGpu:
            continue
        witness = folder / lease.device_uuids[0]
        os.close(os.open(witness, os.O_CREAT | os.O_EXCL))
        with (folder / f"{username}.log").open("a") as log:
            print(lease.id, file=log)
        time.sleep(HOLD)
        witness.unlink()
        ledger.release(lease.id, Ended.STOPPED, clock.now())


def child(url: str, folder: Path, username: str) -> None:
    """Ask until killed; an error is written down and ends the process."""
    try:
        ask_for_ever(Ledger(open_database(url)), folder, username)
    except BaseException:
        (folder / f"{username}.err").write_text(traceback.format_exc())
    finally:
        os._exit(1)


def main(url: str, folder: Path) -> None:
    """Fork one process a line of standard input."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the killed
    for line in sys.stdin:
        number = os.fork()
        if number == 0:
            child(url, folder, line.strip())
        print(number, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
