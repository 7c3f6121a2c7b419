"""A transform's fingerprint: another as soon as the transform computes something else."""

from __future__ import annotations

import enum
import functools
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dicom_catalog.errors import NotCacheable
from dicom_catalog.fingerprint import fingerprint

FACTOR = 2


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Scale:
    offset = 1

    def __init__(self, factor: float) -> None:
        self.factor = factor
        self.random = np.random.default_rng()

    def __call__(self, x: float) -> float:
        return x * self.factor + self.offset

    def method(self, x: float) -> float:
        return x


class Slotted:
    __slots__ = ("factor",)

    def __init__(self, factor: float) -> None:
        self.factor = factor


def scaled(factor: float) -> Callable[[float], float]:
    return lambda x: x * factor


def with_default(x: float, factor: float = 2) -> float:
    return x * factor


def compiled(source: str) -> Callable[[float], float]:
    names: dict[str, Any] = {"__name__": "__main__", "np": np}
    exec(source, names)
    function: Callable[[float], float] = names["f"]
    return function


DIFFERENT = {
    "numbers": (1, 2),
    "kinds of number": (1, 1.0),
    "a number and its text": (1, "1"),
    "arrays": (np.zeros(3), np.ones(3)),
    "types of array": (np.zeros(3, "f4"), np.zeros(3, "f8")),
    "shapes": (np.zeros((2, 3)), np.zeros((3, 2))),
    "members of an enum": (Colour.RED, Colour.BLUE),
    "paths": (Path("a"), Path("b")),
    "nested lists": ([1, [2]], [[1], 2]),
    "mappings": ({"a": 1}, {"a": 2}),
    "what a function closes over": (scaled(2), scaled(3)),
    "arguments of a partial": (functools.partial(pow, 2), functools.partial(pow, 3)),
    "attributes": (Scale(2), Scale(3)),
    "slots": (Slotted(2), Slotted(3)),
    "a bound method's object": (Scale(2).method, Scale(3).method),
    "functions of a package": (np.mean, np.median),
    "code": (compiled("def f(x): return x + 1"), compiled("def f(x): return x - 1")),
    "constants": (compiled("def f(x): return x + 1"), compiled("def f(x): return x + 2")),
    "globals": (
        compiled("F = 1\ndef f(x): return x + F"), compiled("F = 2\ndef f(x): return x + F"),
    ),
    "functions that are called": (
        compiled("def g(x): return x\ndef f(x): return g(x)"),
        compiled("def g(x): return -x\ndef f(x): return g(x)"),
    ),
    "defaults": (
        compiled("def f(x, k=1): return x * k"), compiled("def f(x, k=2): return x * k"),
    ),
    "functions within": (
        compiled("def f(x): return [y + 1 for y in x]"),
        compiled("def f(x): return [y + 2 for y in x]"),
    ),
    "methods of a class": (
        compiled("class A:\n  def __call__(self, x): return x\nf = A()"),
        compiled("class A:\n  def __call__(self, x): return -x\nf = A()"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", DIFFERENT)
def test_it_tells_apart(what: str) -> None:
    one, other = DIFFERENT[what]
    assert fingerprint(one) != fingerprint(other)


@pytest.mark.parametrize(
    "make",
    [
        lambda: scaled(2), lambda: Scale(2), lambda: np.arange(3), lambda: {"b": 1, "a": 2},
        lambda: {3, 1, 2}, lambda: with_default, lambda: [Scale(1), (Scale(2), np.tanh)],
        lambda: (Colour.RED, Path("a"), None, True, b"x", np.float32(3)),
    ],
)  # fmt: skip
def test_what_is_made_alike_is_alike(make: Callable[[], object]) -> None:
    assert fingerprint(make()) == fingerprint(make())


def test_the_order_of_a_mapping_does_not_count() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})


def test_what_refers_to_itself_has_one() -> None:
    ring: list[Any] = [1]
    ring.append(ring)
    assert fingerprint(ring) == fingerprint(ring)


def test_it_is_the_same_in_another_process() -> None:
    code = (
        "import functools, numpy as np\n"
        "from dicom_catalog.fingerprint import fingerprint\n"
        "def scale(x, by={'a', 'b', 'c'}): return np.tanh(x) + len(by)\n"
        "print(fingerprint([scale, functools.partial(scale, by={1, 2}), {'x': np.arange(4)}]))\n"
    )
    paths = {"PYTHONPATH": ":".join(sys.path)}
    told = [
        subprocess.run(
            [sys.executable, "-c", code], env={**paths, "PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert told[0] == told[1] and len(told[0].strip()) == 32


def test_what_hides_what_it_holds_needs_a_key() -> None:
    with pytest.raises(NotCacheable, match="key='windowed-96'"):
        fingerprint(scaled(threading.Lock()))  # type: ignore[arg-type]
