"""What a container's home and network are, by its user and their groups; pure.

A home's slug is the user's name where that is made of lower-case letters and digits (all names
that RadLab gives are); of any other name it is what can be kept and the beginning of a hash,
joined by a hyphen, which no kept name contains.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping


def internet_allowed(lease_group: str | None, policies: Mapping[str, bool]) -> bool:
    """Whether a container may reach the internet, by the policies of its user's class groups.

    The group that gives the GPU decides; a session without one is open where any group allows it.
    """
    if lease_group is not None and lease_group in policies:
        return policies[lease_group]
    return any(policies.values())


def home_slug(username: str) -> str:
    """The name of a user's home folder and volume, distinct for distinct users."""
    if re.fullmatch(r"[a-z0-9]{1,48}", username):
        return username
    kept = re.sub(r"[^a-z0-9]", "", username.lower())[:32]
    return f"{kept}-{hashlib.sha256(username.encode()).hexdigest()[:12]}"


def volume_name(instance: str, username: str) -> str:
    """The name of the Docker volume over a user's home folder."""
    return f"{instance}-home-{home_slug(username)}"
