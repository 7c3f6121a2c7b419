"""A whole small module on disk, as students get it, for the tests of the kit."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

ID = "08_areas"


def text(words: str) -> dict[str, str]:
    return {"en": words, "zh_CN": f"中文 {words}"}


def exercise(id: str, **changes: Any) -> dict[str, Any]:
    hints = [text(f"{id} hint {number}") for number in (1, 2, 3)]
    entry = {"id": id, "objective": 1, "points": 2, "answer": id, "check": id}
    return entry | {"title": text(f"Title of {id}"), "hints": hints} | changes


def choice(id: str, **changes: Any) -> dict[str, Any]:
    options = [
        {"text": text("the right one"), "right": True, "why": text("because it is")},
        {"text": text("the wrong one"), "why": text("because it is not")},
    ]
    return {"id": id, "objective": 1, "ask": text(f"Which, {id}?"), "options": options} | changes


def number(id: str) -> dict[str, Any]:
    mistake = {"answer": 4, "tolerance": 0.5, "why": text("you divided by ten")}
    asked = {"answer": 40, "tolerance": 2, "unit": "HU", "why": text("forty it is")}
    return {
        "id": id,
        "objective": 1,
        "ask": text("How many?"),
        "number": asked | {"mistakes": [mistake]},
    }


def claim(id: str, relation: str = ">=", bound: Any = 0.2) -> dict[str, Any]:
    entry = {"id": id, "in": "judge-words", "text": "0.2", "says": text("the lead is large")}
    return entry | {"relation": relation, "bound": bound, "profiles": ["ci", "class"]}


CHECKS = dedent("""
    import numpy as np
    from course_kit.checking import Wrong, near, need_array, need_function, need_number

    def area(answer):
        found = need_function(answer, "area", 2, 3)
        if not near(found, 6):
            raise Wrong(en="An area is not a sum.", zh_CN="面积不是和。")

    def level(answer):
        if need_number(answer, "level") != 40:
            raise Wrong(en="The level is the middle.", zh_CN="窗位是中点。")

    def table(answer):
        need_array(answer, "table", (2, 2))

    def word(answer):
        need_function(answer, "word")
        if answer() is None:
            raise Wrong(en="It says nothing.", zh_CN="它什么也没说。")
        if answer() != "yes":
            raise Wrong(en="It says no.", zh_CN="它说不。")
""")

FACTS: dict[str, Any] = {
    "id": ID,
    "version": "1.2.0",
    "title": text("Areas"),
    "objectives": {"en": ["one", "two"], "zh_CN": ["一", "二"]},
    "languages": ["en", "zh_CN"],
    "budgets": {
        "class": {"seconds": 180, "memory_gb": 0.001, "set": {"epochs": 40}},
        "ci": {"seconds": 60, "set": {"epochs": 3}},
        "gpu_short": {"seconds": 60, "gpu_memory_gb": 8, "set": {"epochs": 60}},
    },
}
EXERCISES = [exercise(id) for id in ("area", "level", "table", "word")]
QUIZ = [*(choice(id) for id in ("q1", "q2", "q3", "q4")), number("hu")]


def write_module(
    folder: Path,
    *,
    exercises: Any = EXERCISES,
    quiz: Any = QUIZ,
    claims: Any = None,
    checks: str = CHECKS,
    facts: dict[str, Any] = FACTS,
) -> Path:
    """Write it into `folder`; YAML is written as JSON, which is YAML, too."""
    folder.mkdir(parents=True, exist_ok=True)
    claims = {"claims": [claim("lead")]} if claims is None else claims
    contents = {"exercises.yaml": exercises, "quiz.yaml": quiz, "claims.yaml": claims}
    for name, content in {**contents, "module.json": facts}.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    (folder / "checks.py").write_text(checks, encoding="utf-8")
    return folder
