"""What this machine can give to one session at most: its cores and its memory."""

from __future__ import annotations

import os
from dataclasses import dataclass

from hub_config.offers.sizes import Numbers

MB_PER_GB = 1024
# A machine that is sold with 16 GB reports less: firmware and kernel keep the rest.
_REPORTED_OF_SOLD = 0.9


@dataclass(frozen=True)
class Host:
    """The cores and the memory of a machine that runs containers."""

    cpus: int
    memory_mb: int

    @property
    def memory_gb(self) -> int:
        """Its memory in GB, as people say it."""
        return round(self.memory_mb / MB_PER_GB)

    def holds(self, numbers: Numbers) -> bool:
        """True where one session with these numbers can run here at all."""
        wanted_mb = numbers.memory_gb * MB_PER_GB
        return numbers.cpus <= self.cpus and wanted_mb * _REPORTED_OF_SOLD <= self.memory_mb


def this_host() -> Host:
    """The machine that this process runs on, which is the one that runs the containers."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Host(cpus=os.cpu_count() or 1, memory_mb=memory // (MB_PER_GB * MB_PER_GB))
