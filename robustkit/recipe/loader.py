"""Reading recipes: by path or by name, with overrides, every problem at once and each in its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from robustkit.errors import Problem, RecipeError, did_you_mean, known
from robustkit.plugin.manager import installed
from robustkit.plugin.registry import Registry
from robustkit.recipe.builder import Builder
from robustkit.recipe.document import Document, override, parse
from robustkit.recipe.schema import Recipe

LOCK = "lock.yaml"


def load_recipe(recipe: str | Path | Mapping[str, Any], *overrides: str, registry: Registry | None = None) -> Recipe:
    """Read, check and build a recipe.

    Args:
        recipe: a file, a results folder (its lock is read), the name of an installed recipe, or plain data.
        overrides: `path=value` words, for example `"seed=2"` or `"learners.natural.optimizer.lr=0.1"`.
        registry: where components are looked up; by default, the installed plugins.

    Raises:
        RecipeError: it cannot be run; the text shows every problem with its place.
        InputError: an override is not `path=value`.
    """
    registry = registry or installed().registry
    if isinstance(recipe, Mapping):
        document = Document("recipe", data=_copied(recipe))
    else:
        source, text = read_recipe(recipe, registry)
        document = parse(text, source)
    for word in [] if document.problems and document.data is None else overrides:
        override(document, word)
    return build_recipe(document, registry)


def build_recipe(document: Document, registry: Registry) -> Recipe:
    """Build the recipe that a document holds.

    Raises:
        RecipeError: it cannot be run; the text shows every problem with its place.
    """
    problems = list(document.problems)
    recipe: Any = None
    if document.data is not None:
        recipe, found = Builder(registry).build(Recipe, document.data)
        problems += found
    elif not problems:
        problems.append(Problem((), "this recipe is empty."))
    if problems:
        unique = {(problem.path, problem.message): problem for problem in problems}
        shown = [(document.place(problem), document.show(problem)) for problem in unique.values()]
        shown.sort(
            key=lambda pair: (pair[0].line, pair[0].column) if pair[0] and pair[0].source != "override" else (0, 0)
        )
        count = "1 problem" if len(shown) == 1 else f"{len(shown)} problems"
        raise RecipeError(
            "\n".join([*(text for _, text in shown), f"{count} in {document.source}."]), list(unique.values())
        )
    return cast(Recipe, recipe)


def read_recipe(recipe: str | Path, registry: Registry) -> tuple[str, str]:
    """A recipe's source (as messages show it) and text, found by path, results folder or installed name.

    Raises:
        RecipeError: there is no such file or name, or it cannot be read.
    """
    path = Path(recipe)
    name = str(recipe).removesuffix(".yaml")
    try:
        if path.is_dir():
            path = path / LOCK
        if not path.is_file():
            registry.check_clash("recipe", name)
        if not path.is_file() and name in registry.recipes:
            return f"{name}.yaml", registry.recipes[name][0].read_text(encoding="utf-8")
        return str(path), path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if path.name == LOCK and path.parent.is_dir():
            raise RecipeError(f"{recipe}: expected a recipe or a results folder, this folder has no {LOCK}.") from None
        hint = did_you_mean(Path(name).name, registry.recipes)
        raise RecipeError(
            f"{recipe}: there is no such file, results folder or installed recipe.{hint} {known(registry.recipes)}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read: {error}.") from error


def _copied(data: Any) -> Any:
    """A deep copy of mappings and lists, so that overrides do not reach the caller's data; components are shared."""
    if isinstance(data, Mapping):
        return {key: _copied(value) for key, value in data.items()}
    if isinstance(data, Sequence) and not isinstance(data, str):
        return [_copied(value) for value in data]
    return data
