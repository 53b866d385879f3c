"""Modules that are imported later: what is told when that happens, so that nothing is imported only to be patched."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

__all__ = ["Watch"]


class Watch(MetaPathFinder):
    """Calls `then` with each of some modules: now with those that are there, with the others once they are imported.

    Args:
        names: the modules.
        then: what is called with a module, whose own code has run.
    """

    def __init__(self, names: Iterable[str], then: Callable[[ModuleType], None]) -> None:
        self._names = frozenset(names)
        self._then = then
        sys.meta_path.insert(0, self)
        for name in sorted(self._names & sys.modules.keys()):
            then(import_module(name))  # which waits for an import in progress

    def end(self) -> None:
        """Call nothing any more."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return what the other finders find of a module, under a loader that tells when it has run it."""
        if fullname not in self._names:
            return None
        for finder in tuple(sys.meta_path):
            found = None if finder is self else finder.find_spec(fullname, path, target)
            if found is not None:
                if found.loader is not None:
                    found.loader = _Telling(found.loader, self._told)
                return found
        return None

    def _told(self, module: ModuleType) -> None:
        if self in sys.meta_path:
            self._then(module)


class _Telling(Loader):
    """A loader that tells when a module has run, and leaves no trace of itself in that."""

    def __init__(self, loader: Any, then: Callable[[ModuleType], None]) -> None:
        self._loader = loader
        self._then = then

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Make what the module's own loader makes."""
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, and tell."""
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._then(module)
