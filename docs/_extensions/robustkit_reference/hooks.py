"""The hooks, with the signatures that their specifications have in the code."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from robustkit.plugin import hookspecs


def hooks() -> dict[str, Callable[..., Any]]:
    """Every hook specification by name, in the order of the code."""
    return {name: item for name, item in vars(hookspecs).items() if hasattr(item, "robustkit_spec")}


def signature(hook: Callable[..., Any]) -> str:
    """The hook's signature as the code writes it: annotations are kept as text there, here the quotes are dropped."""
    return str(inspect.signature(hook)).replace("'", "")


def hooks_text() -> str:
    """Every hook: signature and docstring."""
    blocks = [
        f"````{{py:function}} {name}{signature(hook)}\n\n{inspect.getdoc(hook)}\n````\n"
        for name, hook in hooks().items()
    ]
    return "\n".join(blocks)
