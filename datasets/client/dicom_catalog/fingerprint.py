"""What a transform does, as a short text that changes when it does: half of a cache's name.

A cache that outlives a change of its transform shows old pictures without a word. So the text
covers what a function computes with: its code, its defaults, what it closes over and which globals
it reads, and of an object its class and attributes. Of installed packages the version stands for
the code. The state of random generators is left out: what is cached does not depend on it.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import os
import pickle
import sys
import sysconfig
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dicom_catalog.errors import NotCacheable

_LETTERS = 32
_PLAIN = (type(None), bool, int, float, complex, str, bytes)
_GENERATORS = ("RandomState", "Generator")
_INSTALLED = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib")})


def fingerprint(*values: Any) -> str:
    """32 hexadecimal letters; equal for values that compute the same, in every process.

    Raises NotCacheable for an object that hides what it holds: name the cache with `key=` then.
    """
    walk = _Walk()
    walk.feed((sys.version_info[:2], np.__version__))
    walk.feed(values)
    return walk.hash.hexdigest()[:_LETTERS]


class _Walk:
    """One pass over nested values; each is fed once, a second sight of it as a reference."""

    def __init__(self) -> None:
        self.hash = hashlib.sha256()
        self.seen: dict[int, int] = {}
        self.kept: list[Any] = []  # an id is only unique while its object lives

    def tag(self, *words: object) -> None:
        self.hash.update(repr(words).encode())

    def feed(self, value: Any) -> None:
        if isinstance(value, _PLAIN) and not isinstance(value, enum.Enum):
            return self.tag(type(value).__name__, value)
        if isinstance(value, tuple):  # equal ones are one object here and two there
            return self.sequence(value)
        if id(value) in self.seen:
            return self.tag("again", self.seen[id(value)])
        self.seen[id(value)] = len(self.seen)
        self.kept.append(value)
        return self.feed_new(value)

    def feed_new(self, value: Any) -> None:
        if isinstance(value, enum.Enum):
            self.tag("enum", type(value).__qualname__, value.name)
        elif isinstance(value, np.ndarray | np.generic):
            self.array(np.asarray(value))
        elif isinstance(value, os.PathLike):
            self.tag("path", os.fspath(value))
        elif isinstance(value, Mapping):
            self.unordered("mapping", value.items())
        elif isinstance(value, set | frozenset):
            self.unordered("set", value)
        elif isinstance(value, list):
            self.sequence(value)
        elif isinstance(value, functools.partial):
            self.feed(("partial", value.func, value.args, value.keywords))
        else:
            self.code(value)

    def sequence(self, values: list[Any] | tuple[Any, ...]) -> None:
        self.tag(type(values).__name__, len(values))
        for value in values:
            self.feed(value)

    def array(self, array: np.ndarray[Any, Any]) -> None:
        self.tag("array", array.dtype.str, array.shape)
        if array.dtype.hasobject:
            self.feed(array.ravel().tolist())
        else:
            self.hash.update(np.ascontiguousarray(array).tobytes())

    def unordered(self, kind: str, values: Iterable[Any]) -> None:
        # Each on its own, then sorted: sets have another order in every process.
        parts = []
        for value in values:
            walk = _Walk()
            walk.seen, walk.kept = dict(self.seen), self.kept
            walk.feed(value)
            parts.append(walk.hash.digest())
        self.tag(kind, sorted(parts))

    def code(self, value: Any) -> None:
        if isinstance(value, types.ModuleType):
            self.tag("module", value.__name__, _version(value.__name__))
        elif isinstance(value, types.FunctionType):
            self.function(value)
        elif isinstance(value, types.MethodType):
            self.feed(("method", value.__func__, value.__self__))
        elif isinstance(value, type):
            self.type(value)
        elif isinstance(value, types.BuiltinFunctionType | np.ufunc):
            module = str(getattr(value, "__module__", None))
            self.tag("builtin", module, value.__name__, _version(module))
        else:
            self.object(value)

    def function(self, function: types.FunctionType) -> None:
        self.tag("function", function.__module__, function.__qualname__)
        if _installed(function.__module__):
            self.tag(_version(function.__module__))
        else:
            self.code_object(function.__code__)
            names = sorted(_names(function.__code__) & function.__globals__.keys())
            self.feed([(name, function.__globals__[name]) for name in names])
        self.feed((function.__defaults__, function.__kwdefaults__))
        self.feed([_content(cell) for cell in function.__closure__ or ()])

    def code_object(self, code: types.CodeType) -> None:
        self.tag(code.co_code, code.co_names, code.co_varnames, code.co_freevars)
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                self.code_object(constant)
            else:
                self.feed(constant)

    def type(self, kind: type) -> None:
        self.tag("class", kind.__module__, kind.__qualname__)
        if _installed(kind.__module__):
            return self.tag(_version(kind.__module__))
        for base in kind.__bases__:
            self.feed(base)
        for name, part in sorted(vars(kind).items()):
            if isinstance(part, staticmethod | classmethod):
                part = part.__func__
            if isinstance(part, property):
                part = (part.fget, part.fset)
            if isinstance(part, (types.FunctionType, tuple, *_PLAIN)) and name != "__module__":
                self.feed((name, part))
        return None

    def object(self, value: Any) -> None:
        kind = type(value)
        if kind.__name__ in _GENERATORS and kind.__module__.split(".")[0] in ("numpy", "torch"):
            return self.tag("generator")
        if hasattr(value, "detach") and hasattr(value, "numpy"):  # a tensor of torch
            return self.array(value.detach().cpu().numpy())
        self.feed(kind)
        held = getattr(value, "__dict__", None)
        slots = {
            name: getattr(value, name, None)
            for base in kind.__mro__
            for name in getattr(base, "__slots__", ())
            if name not in ("__dict__", "__weakref__")
        }
        if held is None and not slots:
            return self.opaque(value)
        return self.feed({**slots, **(held or {})})

    def opaque(self, value: Any) -> None:
        try:
            self.hash.update(pickle.dumps(value))
        except Exception as error:
            raise NotCacheable(
                f"What {type(value).__qualname__} does cannot be told from outside ({error}), so a "
                "cache of it could go stale. Give it a name of its own: key='windowed-96'.",
                given=repr(value),
            ) from error


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a name that is not bound yet
        return "empty cell"


def _names(code: types.CodeType) -> set[str]:
    """Every name that a function and the functions within it look up."""
    inner = (_names(const) for const in code.co_consts if isinstance(const, types.CodeType))
    return set(code.co_names).union(*inner)


@functools.cache
def _installed(module: str | None) -> bool:
    """Whether a module came with Python or with a package, so that its version says what it is."""
    found = sys.modules.get(module or "")
    if found is None or module == "__main__":
        return False
    path = getattr(found, "__file__", None)
    if path is None:
        return module in sys.builtin_module_names
    inside = any(Path(path).is_relative_to(place) for place in _INSTALLED)
    return inside or (module or "").split(".")[0] == __name__.split(".")[0]


def _version(module: str) -> str:
    package = module.split(".")[0]
    return str(getattr(sys.modules.get(package), "__version__", ""))
