"""`python -m hub_config.portal.openapi > openapi.json`: the API's description, as committed."""

from __future__ import annotations

import json
import tempfile

from hub_config.portal import TOKEN_SECRET
from hub_config.portal.app import create_app
from hub_config.settings import Settings


def description() -> str:
    """The OpenAPI document of the portal's API, as text that changes only when the API does."""
    with tempfile.TemporaryDirectory() as state:
        settings = Settings(state=state)
        settings.make_folders()
        settings.make_secret(TOKEN_SECRET)
        document = create_app(settings).openapi()
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(description(), end="")
