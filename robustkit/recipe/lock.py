"""The lock: a run's recipe with every default spelled out, and what it ran on. Running it repeats the run."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import yaml

from robustkit.components.component import Component
from robustkit.plugin.registry import Registry
from robustkit.recipe.schema import Recipe

_LIBRARIES = ("torch", "torchvision", "timm", "numpy", "scikit-learn", "safetensors", "pydantic", "torchattacks")


def plain(value: Any) -> Any:
    """Sections and components as the plain data a recipe would hold, every default included."""
    if is_dataclass(value) and not isinstance(value, type):
        data = {field.name: plain(getattr(value, field.name)) for field in fields(value)}
        return {"use": value.name, **data} if isinstance(value, Component) else data
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value


def resolved(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain data, without what a lock adds."""
    data: dict[str, Any] = plain(recipe)
    del data["lock"]
    return data


def provenance(recipe: Recipe, registry: Registry) -> dict[str, Any]:
    """Versions of robustkit, its plugins and libraries, the git commit, and the host."""
    used = sorted({str(registry.origin_of(part) or "(defined in Python)") for part in components_in(recipe)})
    return {
        "robustkit": importlib.metadata.version("robustkit-torch"),
        "plugins": used,
        "libraries": {name: version for name in _LIBRARIES if (version := _version(name))},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "host": platform.node(),
        "git_commit": _git_commit(),
    }


def changed_since(recipe: Recipe, registry: Registry) -> list[str]:
    """Where what a lock was made on differs from what is here, so that figures may too; nothing for other recipes."""
    if recipe.lock is None:
        return []
    here = provenance(recipe, registry)
    matters = ("robustkit", "plugins", "libraries", "python", "platform")
    then, now = ({key: lock.get(key) for key in matters} for lock in (recipe.lock, here))
    return [f"the lock was made on something else, so figures may differ: {text}" for text in differences(then, now)]


def lock_text(recipe: Recipe, lock: Mapping[str, Any]) -> str:
    """The lock file's text, in ASCII: PyYAML reads some other line breaks (U+0085) otherwise than it writes them."""
    head = "# The recipe as it ran, every default spelled out; `robustkit run` on this file repeats the run.\n"
    return head + yaml.safe_dump({**resolved(recipe), "lock": dict(lock)}, sort_keys=False, width=120)


def differences(before: Any, now: Any, path: str = "") -> list[str]:
    """The dotted paths at which two trees of plain data differ, each with both values."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        keys = dict.fromkeys([*before, *now])
        return [
            text
            for key in keys
            for text in differences(before.get(key), now.get(key), f"{path}.{key}" if path else str(key))
        ]
    return [] if before == now else [f"{path}: {before!r} then, {now!r} now"]


def components_in(value: Any) -> list[Component]:
    """Every component in a tree of sections, mappings and lists."""
    found = [value] if isinstance(value, Component) else []
    if is_dataclass(value) and not isinstance(value, type):
        parts: list[Any] = [getattr(value, field.name) for field in fields(value)]
    elif isinstance(value, Mapping):
        parts = list(value.values())
    else:
        parts = list(value) if isinstance(value, tuple | list) else []
    return found + [component for part in parts for component in components_in(part)]


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """The commit of the folder the run was started from, with '+changes' where files differ from it."""
    command = ["git", "-C", str(Path.cwd()), "describe", "--always", "--dirty=+changes", "--abbrev=40", "--exclude=*"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        print(f"git could not be asked for the commit: {error}", file=sys.stderr)
        return None
    return answer.stdout.strip() or None
