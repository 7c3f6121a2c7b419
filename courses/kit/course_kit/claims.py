"""What the text says, held against what this run found.

`RADLAB_CLAIMS` names a file that collects the verdicts as lines of JSON: the run that proves a
module before it is published reads them there.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from course_kit.files import Claim


def record(claim: Claim, value: float, *, profile: str) -> bool:
    """True where the claim holds for `value`; noted for the run that asks for it."""
    held = claim.holds(value)
    wanted = os.environ.get("RADLAB_CLAIMS")
    if wanted:
        line = {"id": claim.id, "value": value, "held": held, "profile": profile}
        with Path(wanted).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    return held
