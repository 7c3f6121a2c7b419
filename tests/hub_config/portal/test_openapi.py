"""The committed description of the API is what the application generates."""

from __future__ import annotations

import json
from pathlib import Path

from hub_config.portal import openapi

COMMITTED = Path(openapi.__file__).with_name("openapi.json")


def test_openapi_json_equals_what_the_application_generates() -> None:
    assert COMMITTED.read_text() == openapi.description(), (
        "regenerate it: python -m hub_config.portal.openapi > hub_config/portal/openapi.json"
    )


def test_every_call_of_the_api_is_described_and_no_page_is() -> None:
    document = json.loads(COMMITTED.read_text())
    for path, methods in document["paths"].items():
        assert path.startswith("/services/radlab/api/") or path.endswith("/health")
        for method, operation in methods.items():
            assert operation.get("description"), f"{method} {path}"
