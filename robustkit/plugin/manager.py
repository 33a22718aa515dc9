"""Loading plugins: one at a time, so that a broken one is reported by name and takes no other down."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from robustkit.errors import PluginError, did_you_mean, known
from robustkit.plugin import hookspecs
from robustkit.plugin.registry import KINDS, Origin, Registry

GROUP = "robustkit"
HOOKS = tuple(name for name, value in vars(hookspecs).items() if hasattr(value, "robustkit_spec"))
"""The names of all hooks."""


class Plugins:
    """Every usable plugin, their registry, and what is wrong with the others (`registry.troubles`).

    Args:
        files: single-file plugins to load beside the installed ones.
        disable: names of installed plugins to leave out; `ROBUSTKIT_DISABLE` adds to them.

    Raises:
        PluginError: a file named here cannot be used, or a name to disable is unknown.
    """

    def __init__(self, files: Sequence[str | Path] = (), disable: Iterable[str] = ()) -> None:
        self.registry = Registry()
        self.hooks = pluggy.PluginManager("robustkit")
        self.hooks.add_hookspecs(hookspecs)
        found = sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value))
        self.disabled = _disabled(disable, [entry.name for entry in found])
        for entry in found:
            if entry.name not in self.disabled:
                self._add_entry_point(entry)
        for file in files:
            self._add_file(Path(file))

    def _add_entry_point(self, entry: EntryPoint) -> None:
        distribution = entry.dist.name if entry.dist else "unknown"
        origin = Origin(entry.name, distribution, entry.dist.version if entry.dist else "")
        try:
            module = entry.load()
        except ModuleNotFoundError as error:
            self._report(origin, f"could not be imported: {_what_is_missing(entry, error.name or '')}")
        except (Exception, SystemExit) as error:  # a stranger's import may do anything; it is reported, others go on
            self._report(origin, f"could not be imported: {type(error).__name__}: {error}.")
        else:
            try:
                self._register(module, origin)
            except PluginError as error:
                self._report(origin, str(error), prefix=False)

    def _add_file(self, path: Path) -> None:
        origin = Origin(path.stem, str(path), "")
        if not path.is_file():
            raise PluginError(f"--plugin {path}: there is no such file.")
        name = f"robustkit_file_plugin_{path.stem}"
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise PluginError(f"--plugin {path}: expected a Python file, NAME.py.")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # dataclasses look their module up while they are made
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:
            del sys.modules[name]
            reason = error.msg if isinstance(error, SyntaxError) else error
            text = f"--plugin {path}{_line(error, path)}: could not be imported: {type(error).__name__}: {reason}"
            raise PluginError(text) from error
        before = len(self.registry.troubles)
        self._register(module, origin)
        if self.registry.troubles[before:]:
            raise PluginError("\n".join(self.registry.troubles[before:]))

    def _register(self, module: ModuleType, origin: Origin) -> None:
        try:
            registered = self.hooks.register(module, name=f"{origin.distribution}:{origin.plugin}")
        except pluggy.PluginValidationError as error:
            if self.hooks.get_name(module):  # older pluggys leave the hooks in place that they had already checked
                self.hooks.unregister(module)
            reason = " ".join(str(error).split("\n")[1:]) or str(error)
            raise PluginError(f"plugin {origin} does not fit the hooks: {reason}. {_way_out(origin)}") from error
        except ValueError as error:
            raise PluginError(f"plugin {origin} is installed or named twice. {_way_out(origin)}") from error
        fault = self._wrong_hooks(module) if registered else ""
        if fault:
            self.hooks.unregister(module)
            raise PluginError(f"plugin {origin} {fault} {_way_out(origin)}")
        self.registry.origins.append(origin)
        for kind, (_, hook) in KINDS.items():
            for cls in self._ask(module, origin, hook, list):
                self._attempt(origin, self.registry.add, kind, cls, origin)
        for name, file in self._ask(module, origin, "register_recipes", Mapping).items():
            self._attempt(origin, self.registry.add_recipe, name, file, origin)

    def _wrong_hooks(self, module: ModuleType) -> str:
        """What is wrong with the names of a plugin's hooks, as the rest of a sentence; empty where nothing is."""
        callers = self.hooks.get_hookcallers(module) or []
        misspelled = " and ".join(f"{c.name!r}.{did_you_mean(c.name, HOOKS)}" for c in callers if not c.has_spec())
        if misspelled:
            return f"implements an unknown hook {misspelled} {known(HOOKS)}"
        implemented = [caller.name for caller in callers]
        unmarked = [f"{name}()" for name in HOOKS if callable(getattr(module, name, None)) and name not in implemented]
        if unmarked:
            return f"defines {' and '.join(unmarked)} without the mark that makes it a hook: write @hookimpl above it."
        return "" if implemented else f"implements no hook. {known(HOOKS)}"

    def _ask(self, module: ModuleType, origin: Origin, hook: str, expected: type) -> Any:
        """What this plugin's implementation of a hook returns; an empty `expected` where it has none or it fails."""
        empty: Any = {} if expected is Mapping else []
        for implementation in getattr(self.hooks.hook, hook).get_hookimpls():
            if implementation.plugin is not module:
                continue
            try:
                answer = implementation.function()
            except Exception as error:  # as with imports: reported by name, the others go on
                self._report(origin, f"raised in {hook}(): {type(error).__name__}: {error}.")
                return empty
            if isinstance(answer, expected):
                return answer
            wanted = "a mapping of names to files" if expected is Mapping else "a list of classes"
            self._report(origin, f"must return {wanted} from {hook}(), got {answer!r}.")
        return empty

    def _attempt(self, origin: Origin, register: Any, *arguments: Any) -> None:
        try:
            register(*arguments)
        except PluginError as error:
            self._report(origin, str(error), prefix=False)

    def _report(self, origin: Origin, text: str, prefix: bool = True) -> None:
        text = f"plugin {origin} {text} {_way_out(origin)}" if prefix else text
        self.registry.troubles.append(text)


def _way_out(origin: Origin) -> str:
    if origin.distribution.endswith(".py"):
        return f"It was named with --plugin {origin.distribution}."
    return f"Leave it out with --disable {origin.plugin} or ROBUSTKIT_DISABLE={origin.plugin}."


def _line(error: BaseException, path: Path) -> str:
    """`:LINE` of this file where the error came up, or nothing where it came up elsewhere."""
    file = str(path.absolute())
    if isinstance(error, SyntaxError) and error.filename == file:
        return f":{error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f":{lines[-1]}" if lines else ""


def _what_is_missing(entry: EntryPoint, module: str) -> str:
    """What a plugin needs, and which extra of its own package installs it where the metadata tells."""
    if entry.module == module or entry.module.startswith(f"{module}."):
        return f"its own module {module!r} is missing, so the package is only half installed: install it again."
    missing = re.sub(r"[-_.]+", "-", module.split(".")[0]).lower()
    requirements = entry.dist.metadata.get_all("Requires-Dist") or [] if entry.dist else []
    for requirement in requirements:
        wanted = re.match(r"[\w.-]+", requirement)
        extra = re.search(r"""extra\s*==\s*['"]([^'"]+)""", requirement)
        if wanted and extra and entry.dist and re.sub(r"[-_.]+", "-", wanted[0]).lower() == missing:
            return f"it needs {module!r}, which `pip install '{entry.dist.name}[{extra[1]}]'` installs."
    return f"it needs {module!r}, which is not installed."


def _disabled(names: Iterable[str], installed: Sequence[str]) -> frozenset[str]:
    from_environment = [name.strip() for name in os.environ.get("ROBUSTKIT_DISABLE", "").split(",") if name.strip()]
    for source, given in (("--disable", list(names)), ("ROBUSTKIT_DISABLE", from_environment)):
        for name in given:
            if name not in installed:
                raise PluginError(
                    f"{source} {name}: no such plugin.{did_you_mean(name, installed)} {known(set(installed))}"
                )
    return frozenset([*names, *from_environment])


@cache
def installed() -> Plugins:
    """The installed plugins, loaded once per process; what the Python API uses where it is given none."""
    return Plugins()
