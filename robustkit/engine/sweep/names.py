"""Names of a sweep's settings: fit for a folder, the same each time, and told apart by what was varied."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

from robustkit.engine.sweep.grid import flow

_LONGEST = 32  # letters of one value
_LONGEST_NAME = 150  # letters of a setting
_CLEAN = re.compile(r"[a-z0-9._-]+")


def setting_name(base: str, variant: str | None, steps: Sequence[tuple[str, Any]]) -> str:
    """`natural-only_every_epochs-5`; the base recipe's name where nothing is varied but the seed.

    Args:
        base: the base recipe's name.
        variant: the variant's name; None where a sweep has no variants.
        steps: each axis' path and value.
    """
    labels = short_labels([path for path, _ in steps])
    parts = [f"{label}-{value_name(value)}" for label, (_, value) in zip(labels, steps, strict=True)]
    return _cut("_".join([*([variant] if variant is not None else []), *parts])) or base


def _cut(name: str) -> str:
    """A name that no file system finds too long."""
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}-{_hash(name)}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def short_labels(paths: Sequence[str]) -> list[str]:
    """Each path's last steps, as many as tell it from the others."""
    split = [path.replace("[", ".").replace("]", "").split(".") for path in paths]
    labels = []
    for own in split:
        count = 1
        while count < len(own) and sum(other[-count:] == own[-count:] for other in split) > 1:
            count += 1
        labels.append(re.sub(r"[^A-Za-z0-9._-]", "-", ".".join(own[-count:])))
    return labels


def value_name(value: Any) -> str:
    """The value where it is plain, small letters and short; else what is readable of it, and a hash that tells it.

    Capitals get a hash, too: some file systems take them for small ones.
    """
    text = flow(value)
    if len(text) <= _LONGEST and _CLEAN.fullmatch(text):
        return text
    readable = re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.")[:_LONGEST].rstrip("-.")
    return "-".join(filter(None, [readable, _hash(text)]))
