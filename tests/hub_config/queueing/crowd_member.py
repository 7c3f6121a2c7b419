"""One process of a crowd: students and dispatchers that take places, dispatch, start and stop.

Each line of standard input is `<kind> <name>`; a process is forked that plays that part until it is
killed, and its number is printed. A `student` enters, waits for a lease, holds the card for a
moment and gives it back; a `keeper` dispatches. While a student has a card it holds a file of the
card's name, made with O_EXCL: the file system is a witness that does not depend on the database.

Usage: crowd_member.py DATABASE_URL STATE FOLDER; what a student got goes to FOLDER/<name>.log, a
line a lease, and what went wrong to FOLDER/<name>.err.
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
from hub_config.gpus.model import Ended, LeaseRequest
from hub_config.gpus.rules import LeaseOver
from hub_config.offers.host import Host
from hub_config.queueing.store import QueueStore
from hub_config.settings import Settings

# Seconds. Cards are held for less than it takes to look again: most of the time somebody decides.
HOLD, PAUSE = 0.02, 0.01
STARTS_FREE = 2


def request(name: str) -> LeaseRequest:
    return LeaseRequest(
        username=name,
        groups=("aa",),
        gpu_count=1,
        cpus=1,
        memory_mb=1,
        minutes=5,
        image="i",
    )


def student(queue: QueueStore, folder: Path, name: str) -> None:
    """Enter, wait, hold, give back, again and again."""
    while True:
        now = clock.now()
        place = queue.enter(name, "", ("aa",), request(name), {"of": name}, name, now)
        while place.lease_id is None and place.open:
            time.sleep(PAUSE)
            place = queue.get(place.id)
        if place.lease_id is None:
            continue
        try:
            lease = queue.ledger.started(place.lease_id, name, clock.now())
        except LeaseOver:  # of the process that was killed before: a keeper takes it back
            time.sleep(PAUSE)
            continue
        witness = folder / lease.device_uuids[0]
        os.close(os.open(witness, os.O_CREAT | os.O_EXCL))
        queue.ledger.ready(lease.id, clock.now())
        queue.arrived(lease.id, clock.now())
        with (folder / f"{name}.log").open("a") as log:
            print(lease.id, file=log)
        time.sleep(HOLD)
        witness.unlink()
        queue.ledger.release(lease.id, Ended.STOPPED, clock.now())


def keeper(queue: QueueStore) -> None:
    """Dispatch, as two keepers never should: at the same time as another."""
    while True:
        queue.dispatch(clock.now(), STARTS_FREE)
        time.sleep(PAUSE)


def child(url: str, state: str, folder: Path, kind: str, name: str) -> None:
    """Play the part until killed; an error is written down and ends the process."""
    try:
        queue = QueueStore(open_database(url), Settings(state=state), Host(8, 2**20))
        keeper(queue) if kind == "keeper" else student(queue, folder, name)
    except BaseException:
        (folder / f"{name}.err").write_text(traceback.format_exc())
    finally:
        os._exit(1)


def main(url: str, state: str, folder: Path) -> None:
    """Fork one process a line of standard input."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the killed
    for line in sys.stdin:
        number = os.fork()
        if number == 0:
            child(url, state, folder, *line.split())
        print(number, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
