"""Passwords hashed with argon2id, in a few threads of their own.

Parameters are OWASP's minimum (19 MiB, two passes, one lane: about 45 ms): so that sixty people
who sign in at once wait 1.5 s together, and the event loop not at all. The number of threads
bounds memory too. Raising the parameters is enough: each password is hashed anew when its owner
next signs in.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import unicodedata
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from hub_config.invites.credentials import PASSWORD_LENGTHS

_MOST_THREADS = 4


class Passwords:
    """Hashes passwords and verifies them; `memory` in KiB, `passes` over it."""

    def __init__(self, memory: int = 19 * 1024, passes: int = 2) -> None:
        self._hasher = PasswordHasher(
            time_cost=passes, memory_cost=memory, parallelism=1, type=Type.ID
        )
        threads = min(_MOST_THREADS, os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="radlab-password")
        # Verified where there is no such user, so that an unknown name costs the same time.
        self._nobody = self._hasher.hash(secrets.token_hex())

    async def hash(self, password: str) -> str:
        """The hash to keep, in argon2's own notation with its parameters and salt."""
        return await asyncio.get_running_loop().run_in_executor(
            self._pool, self._hasher.hash, _bytes_of(password)
        )

    async def verify(self, kept: str | None, password: str) -> bool:
        """True where `password` is the one of which `kept` is the hash; same time for None."""
        matches = await asyncio.get_running_loop().run_in_executor(
            self._pool, self._matches, kept or self._nobody, password
        )
        return matches and kept is not None

    def is_outdated(self, kept: str) -> bool:
        """True where `kept` was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(kept)

    def _matches(self, kept: str, password: str) -> bool:
        # Nobody's password is longer than sign-up takes: a megabyte of it is not worth hashing.
        tried = password if len(password) in range(PASSWORD_LENGTHS.stop) else ""
        try:
            return self._hasher.verify(kept, _bytes_of(tried))
        except (VerificationError, InvalidHashError):
            return False


def _bytes_of(password: str) -> bytes:
    # NIST SP 800-63B: normalise, so that the same keys on another keyboard are the same password.
    return unicodedata.normalize("NFKC", password).encode("utf-8")
