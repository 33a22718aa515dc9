"""What can go wrong, as a family: each error says where, what was expected, what came, and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

Path = tuple[str | int | float, ...]


class RobustkitError(Exception):
    """The family's head. `exit_code` is the command line's: 2 for bad input, 1 for a failure while running."""

    exit_code = 2


class PluginError(RobustkitError):
    """A plugin cannot be used: it does not import, clashes with another, or breaks the rules for components."""


class DataError(RobustkitError):
    """A data set is missing, unreadable or not what it says."""


class WeightsError(RobustkitError):
    """A weights file, checkpoint or results folder is missing, damaged or does not fit."""


class InputError(RobustkitError):
    """An argument or a tensor handed to robustkit is not what it must be."""


class AttackError(RobustkitError):
    """An attack returned images outside its budget or outside [0, 1], or of another shape."""

    exit_code = 1


class TrainingError(RobustkitError):
    """Training cannot go on, for example because a loss is no longer finite."""

    exit_code = 1


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a recipe or a component's fields.

    `path` leads to it from the top of the recipe; `on_key` says that the key itself is wrong, not its value.
    """

    path: Path
    message: str
    on_key: bool = False

    def below(self, path: Path) -> Problem:
        """The same problem, seen from further up the tree."""
        return replace(self, path=(*path, *self.path))

    def __str__(self) -> str:
        """`path: message`, or the message alone at the top."""
        return f"{dotted(self.path)}: {self.message}" if self.path else self.message


class ComponentError(RobustkitError):
    """A component was given fields it cannot have; `problems` lists every one of them."""

    def __init__(self, name: str, problems: Sequence[Problem]) -> None:
        self.name = name
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{name}: {problem}" for problem in self.problems))


class RecipeError(RobustkitError):
    """A recipe cannot be run; `problems` lists everything that is wrong with it, the text shows each in its place."""

    def __init__(self, text: str, problems: Sequence[Problem] = ()) -> None:
        self.problems = tuple(problems)
        super().__init__(text)


def dotted(path: Path) -> str:
    """`learners.natural.augmentation[0]`, as overrides on the command line write it."""
    text = ""
    for step in path:
        place = isinstance(step, int | float) and not isinstance(step, bool)
        text += f"[{step:g}]" if place else f".{step}" if text else str(step)
    return text


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """' Did you mean 'x'?' for the nearest known word, or nothing where none is near."""
    by_folded = {name.casefold().replace("_", "-"): name for name in known}
    folded = str(word).casefold().replace("_", "-")
    near = difflib.get_close_matches(folded, by_folded, n=1, cutoff=0.6)
    if not near and len(folded) > 2:
        near = [name for name in by_folded if name.startswith(folded)]
    return f" Did you mean '{by_folded[near[0]]}'?" if near else ""


def known(names: Iterable[str], limit: int = 20) -> str:
    """'Known: a, b, c.', sorted, cut short where the list is long."""
    ordered = sorted(names)
    shown = ", ".join(ordered[:limit]) or "none"
    return f"Known: {shown}{f' and {len(ordered) - limit} more' if len(ordered) > limit else ''}."
