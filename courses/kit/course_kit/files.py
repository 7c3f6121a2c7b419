"""A module's own files beside its notebook: exercises, questions, claims; read once, and judged.

They lie where the platform mounts what is published, `/modules/<id>/<version>/` (another root:
RADLAB_MODULES). Of several versions the one counts that the notebook's own folder names in
`module.json`. Where nothing is mounted, the notebook's folder itself serves.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from course_kit.errors import BrokenFile, NoModule
from course_kit.texts import LANGUAGES

ROOT = Path("/modules")
RELATIONS = (">=", "<=", ">", "<", "==", "between", "about")
HINTS = 3
Text = Mapping[str, str]


@dataclass(frozen=True)
class Exercise:
    """A gap that a student fills; its answer is found by its name in the notebook."""

    id: str
    objective: int
    points: int
    answer: str
    title: Text
    hints: tuple[Text, ...]
    check: str


@dataclass(frozen=True)
class Option:
    """One of the answers to choose from, and why it is right or wrong."""

    text: Text
    why: Text
    right: bool = False


@dataclass(frozen=True)
class Number:
    """An answer in figures; `mistakes` are numbers that people arrive at by a known error."""

    answer: float
    tolerance: float
    why: Text
    unit: str = ""
    mistakes: tuple[tuple[float, float, Text], ...] = ()


@dataclass(frozen=True)
class Question:
    """One item of the quiz: a choice, or a number."""

    id: str
    objective: int
    ask: Text
    options: tuple[Option, ...] = ()
    number: Number | None = None


@dataclass(frozen=True)
class Claim:
    """A number that the prose states, and what a run must find for it to be true."""

    id: str
    cell: str
    text: str
    says: Text
    relation: str
    bound: float | tuple[float, float]
    profiles: tuple[str, ...]

    def holds(self, value: float) -> bool:
        """True where `value` stands in that relation to the bound; a NaN never does."""
        bound = self.bound
        if isinstance(bound, tuple):
            low, high = bound
            if self.relation == "about":
                low, high = bound[0] - bound[1], bound[0] + bound[1]
            return low <= value <= high
        compared = {
            ">=": value >= bound,
            "<=": value <= bound,
            ">": value > bound,
            "<": value < bound,
            "==": value == bound,
        }
        return compared[self.relation]

    @property
    def limit(self) -> str:
        """The relation as it is written for people: `≥ 0.2`, `0.3 … 0.5`, `0.5 ± 0.1`."""
        if isinstance(self.bound, tuple):
            first, second = self.bound
            return (
                f"{first:g} ± {second:g}" if self.relation == "about" else f"{first:g} … {second:g}"
            )
        sign = {">=": "≥", "<=": "≤", "==": "="}.get(self.relation, self.relation)
        return f"{sign} {self.bound:g}"


@dataclass(frozen=True)
class Files:
    """All that a module says of itself, apart from its notebook."""

    folder: Path
    facts: Mapping[str, Any]
    exercises: Mapping[str, Exercise]
    questions: Mapping[str, Question]
    claims: Mapping[str, Claim]
    stated: Sequence[Mapping[str, str]] = field(default=())

    @property
    def id(self) -> str:
        """The module's id."""
        return str(self.facts["id"])

    @property
    def version(self) -> str:
        """The version that this notebook belongs to."""
        return str(self.facts["version"])


def find_folder(id: str, here: Path, root: Path | None = None) -> Path:
    """The folder with the files of module `id` for the notebook in `here`; NoModule says where."""
    root = root or Path(os.environ.get("RADLAB_MODULES", str(ROOT)))
    own = _facts(here) if (here / "module.json").is_file() else {}
    version = str(own.get("version", "")) if own.get("id") == id else ""
    if version and (root / id / version / "module.json").is_file():
        return root / id / version
    if version and (here / "exercises.yaml").is_file():
        return here
    mounted = [path.parent for path in (root / id).glob("*/module.json")]
    if mounted:
        return max(mounted, key=_rank)
    raise NoModule(
        f"The files of the course module '{id}' are neither in {root / id} nor beside this notebook. "
        "Start the module from the launch page; it puts a fresh copy into your home."
    )


def read_files(folder: Path) -> Files:
    """The files of a module; BrokenFile names the file, the entry and what is wrong with it."""
    exercises = [_exercise(raw, folder) for raw in _list(folder / "exercises.yaml")]
    questions = [_question(raw, folder) for raw in _list(folder / "quiz.yaml")]
    path = folder / "claims.yaml"
    said = _yaml(path) or {}
    if not isinstance(said, Mapping) or set(said) - {"claims", "facts"}:
        raise BrokenFile(f"{path}: it holds two lists, `claims` and `facts`, and nothing else.")
    claims = [_claim(raw, path) for raw in said.get("claims") or []]
    facts = said.get("facts") or []
    return Files(
        folder,
        _facts(folder),
        _by_id(exercises, folder / "exercises.yaml"),
        _by_id(questions, folder / "quiz.yaml"),
        _by_id(claims, path),
        tuple(facts),
    )


def _rank(folder: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", folder.name))


def _facts(folder: Path) -> Mapping[str, Any]:
    path = folder / "module.json"
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise BrokenFile(f"{path} cannot be read: {error}.") from error


def _yaml(path: Path) -> Any:
    if not path.is_file():
        return None
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BrokenFile(f"{path} cannot be read: {error}.") from error


def _list(path: Path) -> list[Mapping[str, Any]]:
    found = _yaml(path) or []
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise BrokenFile(f"{path}: it must be a list of entries, each with `id:`.")
    return found


def _by_id(entries: Sequence[Any], path: Path) -> dict[str, Any]:
    ids = [entry.id for entry in entries]
    twice = next((id for id in ids if ids.count(id) > 1), None)
    if twice:
        raise BrokenFile(f"{path}: '{twice}' stands there twice.")
    return dict(zip(ids, entries, strict=True))


def _take(raw: Mapping[str, Any], path: Path, needs: str, may: str = "") -> Mapping[str, Any]:
    wanted, allowed = set(needs.split()), set((needs + " " + may).split())
    name = raw.get("id", "an entry without id")
    for key in sorted(wanted - set(raw)):
        raise BrokenFile(f"{path}: {name}: the key '{key}' is missing.")
    for key in sorted(set(raw) - allowed):
        raise BrokenFile(f"{path}: {name}: there is no key '{key}'; known: {', '.join(allowed)}.")
    return raw


def _text(raw: Any, path: Path, where: str) -> Text:
    if not isinstance(raw, Mapping) or "en" not in raw or set(raw) - set(LANGUAGES):
        raise BrokenFile(f"{path}: {where}: a text is written as {{en: ..., zh_CN: ...}}.")
    return {str(key): str(value) for key, value in raw.items()}


def _exercise(raw: Mapping[str, Any], folder: Path) -> Exercise:
    path = folder / "exercises.yaml"
    _take(raw, path, "id objective points answer title hints check")
    hints = tuple(_text(hint, path, f"{raw['id']}: a hint") for hint in raw["hints"])
    if len(hints) != HINTS:
        raise BrokenFile(f"{path}: {raw['id']}: {len(hints)} hints, where {HINTS} are wanted.")
    title = _text(raw["title"], path, f"{raw['id']}: title")
    objective, points = int(raw["objective"]), int(raw["points"])
    return Exercise(
        str(raw["id"]), objective, points, str(raw["answer"]), title, hints, str(raw["check"])
    )


def _question(raw: Mapping[str, Any], folder: Path) -> Question:
    path = folder / "quiz.yaml"
    _take(raw, path, "id objective ask", "options number")
    if ("options" in raw) == ("number" in raw):
        raise BrokenFile(f"{path}: {raw['id']}: it has either `options` or a `number`.")
    ask = _text(raw["ask"], path, f"{raw['id']}: ask")
    options = tuple(_option(one, path, str(raw["id"])) for one in raw.get("options", []))
    if options and sum(option.right for option in options) != 1:
        raise BrokenFile(f"{path}: {raw['id']}: exactly one option is `right: true`.")
    number = _number(raw["number"], path, str(raw["id"])) if "number" in raw else None
    return Question(str(raw["id"]), int(raw["objective"]), ask, options, number)


def _option(raw: Mapping[str, Any], path: Path, id: str) -> Option:
    _take(raw, path, "text why", "right")
    text, why = _text(raw["text"], path, f"{id}: text"), _text(raw["why"], path, f"{id}: why")
    return Option(text, why, bool(raw.get("right", False)))


def _number(raw: Mapping[str, Any], path: Path, id: str) -> Number:
    _take(raw, path, "answer tolerance why", "unit mistakes")
    mistakes = tuple(
        (float(one["answer"]), float(one["tolerance"]), _text(one["why"], path, f"{id}: why"))
        for one in raw.get("mistakes", [])
    )
    why = _text(raw["why"], path, f"{id}: why")
    answer, tolerance = float(raw["answer"]), float(raw["tolerance"])
    return Number(answer, tolerance, why, str(raw.get("unit", "")), mistakes)


def _claim(raw: Mapping[str, Any], path: Path) -> Claim:
    _take(raw, path, "id in text says relation bound profiles")
    pair = raw["relation"] in ("between", "about")
    if raw["relation"] not in RELATIONS or pair != isinstance(raw["bound"], list):
        raise BrokenFile(
            f"{path}: {raw['id']}: `relation` is one of {' '.join(RELATIONS)}; `between` and `about` "
            "take a list of two numbers as `bound`, the others one number."
        )
    bound = tuple(map(float, raw["bound"])) if pair else float(raw["bound"])
    says = _text(raw["says"], path, f"{raw['id']}: says")
    names = tuple(map(str, raw["profiles"]))
    cell, text = str(raw["in"]), str(raw["text"])
    relation = raw["relation"]
    return Claim(str(raw["id"]), cell, text, says, relation, bound, names)  # type: ignore[arg-type]
