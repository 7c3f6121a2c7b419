"""UIDs that depend on nothing but what they name: the same seed gives the same UIDs.

PS3.5 B.2 lets a UID be 2.25 followed by a UUID as a decimal number; here the UUID's 128 bits are
those of a SHA-256, marked as a UUID of version 8 (RFC 9562, section 5.8).
"""

from __future__ import annotations

import hashlib
import uuid


def derived_uid(*parts: object) -> str:
    """A UID under 2.25 from `parts`; equal parts give equal UIDs, on every machine."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()[:16]
    number = bytearray(digest)
    number[6] = (number[6] & 0x0F) | 0x80
    number[8] = (number[8] & 0x3F) | 0x80
    return f"2.25.{uuid.UUID(bytes=bytes(number)).int}"
