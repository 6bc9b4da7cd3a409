"""Importing what a target names: a file, a notebook, a module, or a package with all its modules.

Importing somebody's file runs it: call these through `guarded`.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from mnist_cli.gradcheck.notebook import read_cells, run_cells
from mnist_cli.gradcheck.outcome import LeftOut
from mnist_cli.gradcheck.user_code import UserCodeError, call

MOST_FOLDERS = 3
"""In how many folders above a file its modules are found."""

LARGEST = {".py": 4 << 20, ".ipynb": 64 << 20}
"""Bytes of a file that is read at most; the pictures in a notebook are many."""

TESTS = ("test", "tests", "conftest", "setup", "__main__")
"""Modules of a package that are no part of what it offers, and do things when they are run."""


def guarded(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call what may run somebody's code; a `UserCodeError` of our own passes as it is."""
    try:
        return call(function, *arguments)
    except UserCodeError as error:
        if isinstance(error.__cause__, UserCodeError):
            raise error.__cause__ from None
        raise


@dataclass
class Imported:
    """What was imported.

    Attributes
    ----------
    modules : list of ModuleType
        The module; of a package, all that are in it, too.
    remarks : list of str
    left_out : list of LeftOut
        Modules of a package that cannot be imported.
    """

    modules: list[Any]
    remarks: list[str] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


class _FreshLoader(SourceFileLoader):
    """Compiles the file as it is now: a file that changed within a second may have an old cache."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


def import_file(path: Path) -> Imported:
    """Import a file by its path, as a script is run, or as a part of its package if it needs it.

    Its own folder comes first where it looks for modules, then that of its package, and then the
    current one.

    Raises
    ------
    UserCodeError
        If it is larger than any such file: nothing of it is read then.
    """
    _check_size(path)
    if path.suffix == ".ipynb":
        return _import_notebook(path)
    path = path.resolve()
    above = _folders_above(path)
    _look_in(path.parent, *path.parents[len(above) : len(above) + 1], Path.cwd())
    sys.argv = [str(path)]
    if above:
        name = ".".join((*above, path.stem))
        sys.path.remove(str(path.parent))  # its neighbours are modules of the package
        module = _from_above(path, lambda: importlib.import_module(name))
        _must_be_in(module, path, name)
        return Imported([module])
    name = path.stem if path.stem not in sys.modules else f"{path.stem}_to_check"
    try:
        return Imported([_run_as(name, path)])
    except ImportError as error:
        if error.name != name:
            raise
        # The file and what it imports import each other. Under another name, it runs as a script.
        del sys.modules[name]
        return Imported([_run_as(f"{name}_to_check", path)])


def _run_as(name: str, path: Path) -> ModuleType:
    """Run a file as a module of a name, and return that."""
    loader = _FreshLoader(name, str(path))
    spec = ModuleSpec(name, loader, origin=str(path))
    spec.has_location = True
    module = module_from_spec(spec)
    sys.modules[name] = module  # where pickling and dataclasses look a class's module up
    _from_above(path, lambda: loader.exec_module(module))
    return module


def _from_above(path: Path, run: Callable[[], Any]) -> Any:
    """Import what a file imports from the folders above it too, as a project's root is one.

    It is run anew for each module that is found there, and so from its beginning.
    """
    for _ in range(MOST_FOLDERS):
        try:
            return run()
        except ModuleNotFoundError as error:
            root = _root_of(error.name or "", path)
            if root is None or str(root) == sys.path[0]:
                raise
            _forget((error.name or "").partition(".")[0])
            _look_in(root)
    return run()


def _root_of(name: str, path: Path) -> Path | None:
    """Return the nearest folder above a file that has a module or package of this name."""
    place = Path(*name.split("."))
    for folder in path.parents if name else ():
        if (folder / place.with_suffix(".py")).is_file() or (folder / place).is_dir():
            return folder
    return None


def _forget(name: str) -> None:
    """Forget a module that took the name of a package, such as a file beside the one checked."""
    if not hasattr(sys.modules.get(name), "__path__"):
        sys.modules.pop(name, None)


def _folders_above(path: Path) -> list[str]:
    """Return the names of the packages that a file is in; none if it imports nothing relatively."""
    try:
        nodes = list(ast.walk(ast.parse(path.read_bytes())))
    except (SyntaxError, ValueError):  # which is told of when it is run
        return []
    level = max((node.level for node in nodes if isinstance(node, ast.ImportFrom)), default=0)
    if not level:
        return []
    depth = 0
    while depth < len(path.parents) - 1 and (
        (path.parents[depth] / "__init__.py").is_file() or depth < level
    ):
        depth += 1
    return [folder.name for folder in reversed(path.parents[:depth])]


def _import_notebook(path: Path) -> Imported:
    cells = read_cells(path)
    _look_in(path.parent.resolve(), Path.cwd())
    sys.argv = [str(path)]
    name = path.stem if path.stem not in sys.modules else f"{path.stem}_to_check"
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module
    return Imported([module], remarks=run_cells(path, cells, module))


def import_module(name: str) -> Imported:
    """Import a module or a package, looked for in the current folder first.

    Raises
    ------
    UserCodeError
        If there is none, or if another of the same name comes before it.
    """
    _look_in(Path.cwd())
    top = name.partition(".")[0]
    sys.argv = [name]
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise UserCodeError(
            f"There is no module {error.name} in this folder, nor is one installed: name a file, "
            "such as layers.py:Softmax, or a module, such as package.layers:Softmax."
        ) from error
    for here in (Path.cwd() / f"{top}.py", Path.cwd() / top / "__init__.py"):
        if here.is_file():
            _must_be_in(sys.modules[top], here, top)
    found = Imported([module])
    if hasattr(module, "__path__"):
        _import_all_of(module, found)
    return found


def import_folder(path: Path) -> Imported:
    """Import a package by the path of its folder."""
    path = path.resolve()
    root = path.parent
    while (root / "__init__.py").is_file():
        root = root.parent
    _look_in(root)
    name = ".".join(path.relative_to(root).parts)
    module = importlib.import_module(name)
    if (path / "__init__.py").is_file():
        _must_be_in(module, path / "__init__.py", name)
    found = Imported([module])
    _import_all_of(module, found)
    return found


def _check_size(path: Path) -> None:
    """Raise UserCodeError if a file is larger than any code is."""
    largest = LARGEST.get(path.suffix)
    if largest is not None and path.stat().st_size > largest:
        raise UserCodeError(
            f"{path} has more than {largest >> 20} MB, which no code needs: name another file."
        )


def _import_module_of(finder: Any, name: str) -> Any:
    """Import a module of a package, unless it is too large."""
    spec = finder.find_spec(name)
    if spec is not None and spec.origin is not None:
        _check_size(Path(spec.origin))
    return importlib.import_module(name)


def _import_all_of(package: Any, found: Imported) -> None:
    """Import the modules of a package, and those of the packages in it."""
    for finder, name, is_package in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        last = name.rpartition(".")[2]
        if last in TESTS or last.startswith("test_"):
            continue
        try:
            module = guarded(_import_module_of, finder, name)
        except UserCodeError as error:
            found.left_out.append(LeftOut(name, f"cannot be imported. {error}", is_broken=True))
            continue
        found.modules.append(module)
        if is_package:
            _import_all_of(module, found)


def _look_in(*folders: Path) -> None:
    """Put folders first where modules are looked for."""
    sys.path[:0] = [str(folder) for folder in folders]
    importlib.invalidate_caches()


def _must_be_in(module: Any, path: Path, name: str) -> None:
    """Raise UserCodeError where a module of this name was loaded from somewhere else."""
    file = getattr(module, "__file__", None)
    if file is None or not Path(file).exists() or not path.samefile(file):
        raise UserCodeError(
            f"{name} is also the name of a module that is loaded already ({file or 'built in'}), "
            f"so {path} cannot be imported under it: rename it, or check a file of it alone."
        )
