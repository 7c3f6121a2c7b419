"""Codes that let people in, the accounts that they become, and the pages on which both happen."""

from __future__ import annotations

from pathlib import Path

TEMPLATES = Path(__file__).with_name("templates")
