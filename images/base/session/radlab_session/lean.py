"""Starts a single-user server with only what a session needs of the packages beneath it.

JupyterHub's single-user server imports, by way of its log, the whole Hub: the pages, the database
models, SQLAlchemy, Alembic and aiohttp; JupyterLab imports what installs extensions from PyPI. A
session uses none of it, yet it was three fifths of the processor time of a start and half of the
memory (measured with `./radlab bench server`). Sixty students who start at once pay it sixty times.

Here such a module becomes a name that is filled when somebody first asks it for something: it is
the real module then, so what we did not foresee is slow once, and right. Names that importers take
at once (`from x import y`) are given beside it; they are classes that a session only compares
with, and `fetch`, which `hub_client` brings. It is this process alone: kernels, terminals and what
students run in them import as Python does.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any


class HealthCheckHandler:
    """The Hub's page of that name, whose successes are not logged; a session serves none."""


class SQLAlchemyError(Exception):
    """What a database raises; a session has none."""


class PyPIExtensionManager:
    """Installs extensions where it is chosen; a student's image has the read-only one."""


async def fetch(url: str, **options: Any) -> Any:
    """Ask the Hub, as `jupyterhub.httpclient.fetch` does; see `hub_client`."""
    from radlab_session import hub_client

    return await hub_client.fetch(url, **options)


# Each with the names that are taken from it while it is imported.
LATER: Mapping[str, Mapping[str, object]] = {
    "aiohttp": {},
    "isoduration": {},
    "jupyterhub.handlers": {},
    "jupyterhub.handlers.pages": {"HealthCheckHandler": HealthCheckHandler},
    "jupyterhub.httpclient": {"fetch": fetch},
    "jupyterhub.orm": {},
    "jupyterhub.roles": {},
    "jupyterlab.extensions.pypi": {"PyPIExtensionManager": PyPIExtensionManager},
    "requests": {},
    "sqlalchemy": {},
    "sqlalchemy.exc": {"SQLAlchemyError": SQLAlchemyError},
    "uri_template": {},
    "webcolors": {},
}

_filling = threading.RLock()


class Later(ModuleType):
    """A module that is executed when something is asked of it that is not there yet."""

    def __getattr__(self, name: str) -> Any:
        # Python asks every module whether it is a package; packages have been told already.
        if name == "__path__":
            raise AttributeError(name)
        fill(self)
        return getattr(self, name)


class LaterLoader(Loader):
    """Gives a module its names of LATER, and leaves the rest to the real loader."""

    def __init__(self, real: Loader) -> None:
        self.real = real

    def exec_module(self, module: ModuleType) -> None:
        """Make it a `Later`."""
        module.__dict__.update(LATER[module.__name__])
        module.__class__ = Later


class PresentLoader(Loader):
    """Gives the module that is there already, and does not execute it again."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self.spec = module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module itself."""
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        """Put back what the module had said of itself."""
        module.__spec__ = self.spec


class LaterFinder(MetaPathFinder):
    """Finds the modules of LATER where Python would, and has them filled later."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """As `PathFinder` finds it, with our loader around its own; None for all others.

        Where one of all others lies in a package of LATER, that is filled first, as Python would
        have executed it first; it may import the one that is looked for.
        """
        if fullname in LATER:
            spec = PathFinder.find_spec(fullname, path, target)
            if spec is not None and spec.loader is not None:
                spec.loader = LaterLoader(spec.loader)
            return spec
        package = sys.modules.get(fullname.rpartition(".")[0])
        if isinstance(package, Later):
            fill(package)
            present = sys.modules.get(fullname)
            if present is not None:
                # The import system takes the module's own account of itself, not what we return.
                present.__spec__ = ModuleSpec(fullname, PresentLoader(present))
                return present.__spec__
        return None


def fill(module: Later) -> None:
    """Execute the package that it lies in, then the module itself, unless that has done it."""
    with _filling:
        package = sys.modules.get(module.__name__.rpartition(".")[0])
        if isinstance(package, Later):
            fill(package)
        if isinstance(module, Later):
            loader = module.__spec__.loader if module.__spec__ else None
            assert isinstance(loader, LaterLoader)
            # First: while it is executed it asks itself for names.
            module.__class__ = ModuleType  # type: ignore[assignment]
            loader.real.exec_module(module)


def begin() -> None:
    """Import lazily from now on, and collect no garbage until `settle`: imports make none."""
    gc.disable()
    sys.meta_path.insert(0, LaterFinder())


def settle() -> None:
    """The server is there: what was imported stays for good, and garbage is collected again."""
    gc.freeze()
    gc.enable()
