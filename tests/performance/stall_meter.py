"""Put into a Hub's own configuration: writes down whenever its event loop was held up.

Each line of the file is a moment (Unix time), how late the loop was, and how much processor time
its thread used meanwhile: what is late and used none was not given a processor.
"""

import asyncio
import time
from pathlib import Path
from typing import TextIO

LOOK_S = 0.02
WORTH_WRITING_S = 0.04
# asyncio itself holds tasks weakly.
_tasks: set[asyncio.Task[None]] = set()


async def watch(file: TextIO) -> None:
    """Look at the clock fifty times a second, for ever."""
    with file:
        while True:
            begun, worked = time.perf_counter(), time.thread_time()
            await asyncio.sleep(LOOK_S)
            late = time.perf_counter() - begun - LOOK_S
            if late > WORTH_WRITING_S:
                used = time.thread_time() - worked
                file.write(f"{time.time():.3f} {late:.3f} {used:.3f}\n")


def begin(path: Path) -> None:
    """Watch the loop that runs now."""
    _tasks.add(asyncio.get_running_loop().create_task(watch(path.open("a", buffering=1))))
