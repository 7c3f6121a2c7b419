"""Checks that explain: an answer is judged by a function of the module's `checks.py`.

Such a function gets the answer alone, makes its own small data, and raises `Wrong` with a sentence
in each language; returning means that the answer is right. Whatever else a student's code does
(raises, hangs, prints a page, returns NaN) becomes a sentence, too: `judge` never raises.
"""

from __future__ import annotations

import importlib.util
import inspect
import math
import numbers
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import numpy as np

from course_kit.errors import BrokenFile
from course_kit.files import Exercise
from course_kit.texts import own_texts, say, spoken

LIMIT_SECONDS = 20.0
_NUMBERS = "biufc"  # dtype kinds: truth values, whole, real and complex numbers


class Wrong(Exception):
    """The answer is not right; the message says what was found and where to look next."""

    def __init__(self, en: str, zh_CN: str) -> None:
        super().__init__(en)
        self.text = {"en": en, "zh_CN": zh_CN}


class TooLong(BaseException):
    """The answer's code ran out of its time; no `except Exception` of a student catches it."""


@dataclass(frozen=True)
class Verdict:
    """What a check found: `passed`, or a sentence in the reader's language (`english` as well)."""

    passed: bool
    message: str = ""
    english: str = ""
    line: str = ""


def near(value: Any, expected: Any, tolerance: float = 1e-6) -> bool:
    """True where both have the same shape and no two numbers differ by more than `tolerance`.

    NaN is near to nothing, and what is no number is near to nothing.
    """
    try:
        found, wanted = np.asarray(value, dtype=float), np.asarray(expected, dtype=float)
    except (TypeError, ValueError, OverflowError):
        return False
    return found.shape == wanted.shape and bool(np.all(np.abs(found - wanted) <= tolerance))


def need_function(answer: Any, name: str, *example: Any) -> Any:
    """The result of `answer(*example)`; `Wrong` where it is no function, or gives nothing.

    With no example it is only made sure that it is a function. A check calls this first, so that
    an untouched gap is told as what it is.
    """
    _need_touched(answer, name)
    if not callable(answer):
        raise _wrong("not_a_function", name=name, kind=type(answer).__name__)
    if not example:
        return None
    _need_arguments(answer, name, len(example))
    result = answer(*example)
    if result is None or result is Ellipsis:
        raise _wrong("returns_nothing", name=name)
    if _is_nan(result):
        raise _wrong("returns_nan", name=name)
    return result


def need_number(answer: Any, name: str) -> float:
    """The answer as a float; `Wrong` for a gap, for what is no number, and for NaN."""
    _need_touched(answer, name)
    if isinstance(answer, bool) or not isinstance(answer, numbers.Real | np.ndarray | np.generic):
        raise _wrong("not_a_number", name=name, kind=type(answer).__name__)
    if isinstance(answer, np.ndarray) and answer.size != 1:
        raise _wrong("many_numbers", name=name, count=answer.size)
    try:
        value = float(answer.item() if isinstance(answer, np.ndarray) else answer)
    except (TypeError, ValueError, OverflowError):
        raise _wrong("not_a_number", name=name, kind=type(answer).__name__) from None
    if math.isnan(value):
        raise _wrong("is_nan", name=name)
    return value


def need_array(
    answer: Any, name: str, shape: tuple[int, ...] | None = None
) -> np.ndarray[Any, Any]:
    """The answer as an array of that shape; `Wrong` says which shape was found, or that it has NaN."""
    _need_touched(answer, name)
    if hasattr(answer, "detach"):
        answer = answer.detach().cpu().numpy()
    try:
        found = np.asarray(answer)
    except ValueError:  # rows of different lengths
        raise _wrong("not_an_array", name=name, kind=type(answer).__name__) from None
    if found.dtype.kind not in _NUMBERS or (found.ndim == 0 and shape != ()):
        raise _wrong("not_an_array", name=name, kind=type(answer).__name__)
    if shape is not None and found.shape != shape:
        raise _wrong("other_shape", name=name, found=found.shape, wanted=shape)
    if np.issubdtype(found.dtype, np.inexact) and np.isnan(found).any():
        raise _wrong("has_nan", name=name, count=int(np.isnan(found).sum()))
    return found


def judge(
    exercise: Exercise, answer: Any, checks: ModuleType, *, seconds: float = LIMIT_SECONDS
) -> Verdict:
    """Run the exercise's check on the answer; whatever happens becomes a verdict."""
    check = getattr(checks, exercise.check, None)
    if not callable(check):
        raise BrokenFile(f"checks.py has no function '{exercise.check}', as {exercise.id} wants.")
    try:
        with _quiet(), time_limit(seconds):
            check(answer)
    except Wrong as wrong:
        return Verdict(False, spoken(wrong.text), wrong.text["en"])
    except TooLong:
        return _failed("too_long", seconds=f"{seconds:g}")
    except RecursionError:
        return _failed("too_deep")
    except KeyboardInterrupt:
        return _failed("interrupted")
    except (Exception, SystemExit) as error:
        line = _students_line(error)
        values = {"kind": type(error).__name__, "error": str(error) or "—"}
        key = "raised_at" if line else "raised"
        return _failed(key, line=line, **values)
    return Verdict(True)


def load_checks(folder: Path) -> ModuleType:
    """The module's `checks.py`, imported under a name of its own."""
    path = folder / "checks.py"
    name = f"course_checks_{abs(hash(str(path)))}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise BrokenFile(f"{path} is missing.")
    module = importlib.util.module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise BrokenFile(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    finally:
        sys.dont_write_bytecode = before
    return module


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """TooLong after that many seconds; by a signal, which only the main thread can be sent."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _quiet() -> Iterator[None]:
    """What student code prints or warns of, once a case, would bury the one sentence that helps."""
    with redirect_stdout(StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _need_touched(answer: Any, name: str) -> None:
    if answer is None or answer is Ellipsis:
        raise _wrong("untouched", name=name)


def _need_arguments(answer: Callable[..., Any], name: str, count: int) -> None:
    try:
        inspect.signature(answer).bind(*range(count))
    except TypeError:
        given = len(inspect.signature(answer).parameters)
        raise _wrong("other_arguments", name=name, found=given, wanted=count) from None
    except ValueError:
        return


def _is_nan(value: Any) -> bool:
    try:
        found = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value, dtype=float)
    except (TypeError, ValueError):
        return False
    return bool(found.size and np.isnan(found).any())


def _students_line(error: BaseException) -> str:
    """The last line of the student's own cell that the error went through, or nothing."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_cell(frame.filename)]
    return (own[-1].line or "") if own else ""


def _is_cell(filename: str) -> bool:
    return "ipykernel" in filename or filename.startswith(("<ipython-input", "<cell"))


def _wrong(key: str, **values: object) -> Wrong:
    texts = own_texts()[key]
    return Wrong(**{language: text.format(**values) for language, text in texts.items()})


def _failed(key: str, line: str = "", **values: object) -> Verdict:
    english = own_texts()[key]["en"].format(line=line, **values)
    return Verdict(False, say(key, line=line, **values), english, line)
