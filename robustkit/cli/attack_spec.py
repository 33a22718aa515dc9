"""Components on the command line: `pgd:eps=8/255,steps=20`, `strong=pgd:eps=8/255`, or `{use: pgd, eps: 8/255}`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import cast

from robustkit.components.architecture import Architecture
from robustkit.components.attack import Attack
from robustkit.errors import InputError
from robustkit.plugin.registry import Registry
from robustkit.recipe.builder import Builder
from robustkit.recipe.document import Document, override, parse
from robustkit.recipe.words import split_outside_brackets

_SPEC = re.compile(r"(?:(?P<name>[^:={}\s]+)=)?(?P<attack>.+)", re.DOTALL)
_EXAMPLES = "pgd:eps=8/255,steps=20 or strong=pgd:eps=8/255,restarts=5 or '{use: pgd, eps: 8/255}'"


def parse_attacks(specs: Sequence[str], registry: Registry) -> dict[str, Attack]:
    """The attacks by the names their results get: the name given, else the attack's own.

    Raises:
        InputError: a spec cannot be read, its fields are wrong, or two have one name.
    """
    attacks: dict[str, Attack] = {}
    for spec in specs:
        name, attack = _parse(spec, registry)
        if name in attacks:
            raise InputError(
                f"--attack {spec!r}: two attacks are called {name!r}. Give one a name: --attack NAME={attack.name}:..."
            )
        attacks[name] = attack
    return attacks


def parse_architecture(spec: str, registry: Registry) -> Architecture:
    """The architecture that `timm:model=resnet18,pretrained=true` or a mapping describes.

    Raises:
        InputError: the spec cannot be read, there is no such architecture, or its fields are wrong.
    """
    architecture, problems = Builder(registry).build(Architecture, _plain(spec.strip(), spec, "MODEL").data)
    if problems:
        raise InputError("\n".join(f"MODEL {spec!r}: {problem}" for problem in problems))
    return cast(Architecture, architecture)


def _parse(spec: str, registry: Registry) -> tuple[str, Attack]:
    matched = _SPEC.fullmatch(spec.strip())
    if matched is None:
        raise InputError(f"--attack {spec!r}: expected {_EXAMPLES}.")
    attack, problems = Builder(registry).build(Attack, _plain(matched["attack"].strip(), spec).data)
    if problems:
        raise InputError("\n".join(f"--attack {spec!r}: {problem}" for problem in problems))
    return matched["name"] or attack.name, attack


def _plain(text: str, spec: str, option: str = "--attack") -> Document:
    """The component as a recipe would hold it; errors name the option that it came from."""
    if text.startswith("{"):
        document = parse(text, option)
        if document.problems:
            raise InputError(f"{option} {spec!r}: {document.problems[0].message}")
        return document
    use, _, fields = text.partition(":")
    document = Document(option, data={"use": use})
    for word in split_outside_brackets(fields):
        if not re.match(r"\s*[\w.\[\]]+\s*=", word):
            raise InputError(f"{option} {spec!r}: expected FIELD=VALUE, got {word!r}. Examples: {_EXAMPLES}.")
        try:
            override(document, word.strip())
        except InputError as error:
            raise InputError(f"{option} {spec!r}: {error}") from None
    return document
