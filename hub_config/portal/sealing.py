"""What the portal gives to a browser and must know again: one key, two uses.

`seal` signs a small value that a cookie carries through the sign-in. `xsrf_token` is a token that
only a page of ours can hold: it is bound to the session by a key, so that a cookie planted by
another page of this origin (a student's server, for example) cannot make a matching pair. Source:
OWASP, Cross-Site Request Forgery Prevention, "signed double-submit cookie".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

from hub_config.errors import NotAllowed


class BrokenSeal(NotAllowed):
    """A cookie of the sign-in is missing, foreign or changed."""

    code = "broken_seal"


class Seals:
    """Signs and knows again, with a key derived from the portal's secret."""

    def __init__(self, secret: str) -> None:
        self._key = hashlib.sha256(b"radlab portal seals\0" + secret.encode()).digest()

    def seal(self, value: dict[str, Any]) -> str:
        """`value` as text that fits in a cookie and that `unseal` knows again."""
        body = base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
        return f"{body}.{self._sign('value', body)}"

    def unseal(self, text: str) -> dict[str, Any]:
        """What was sealed; BrokenSeal where this is not our seal."""
        body, _, signature = text.partition(".")
        if not hmac.compare_digest(signature.encode(), self._sign("value", body).encode()):
            raise BrokenSeal("This sign-in was not begun in this browser.", do="Sign in again.")
        padded = body + "=" * (-len(body) % 4)
        return dict(json.loads(base64.urlsafe_b64decode(padded)))

    def xsrf_token(self, session_token: str) -> str:
        """The token that forms and scripts of our pages send with every change."""
        return self._sign("xsrf", hashlib.sha256(session_token.encode()).hexdigest())

    def is_xsrf_token(self, given: str, session_token: str) -> bool:
        """Whether `given` is that token; compared in constant time."""
        return hmac.compare_digest(given.encode(), self.xsrf_token(session_token).encode())

    def _sign(self, use: str, text: str) -> str:
        return hmac.new(self._key, f"{use}\0{text}".encode(), hashlib.sha256).hexdigest()
