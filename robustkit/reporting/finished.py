"""Results folders, of runs and of evaluations, opened to be compared or shown."""

from __future__ import annotations

from pathlib import Path

from robustkit.engine.folder import RunFolder
from robustkit.errors import WeightsError
from robustkit.evaluation.comparison import ComparedRun
from robustkit.recipe.document import parse


def read_finished(path: Path) -> ComparedRun:
    """A finished folder's report and recipe.

    Raises:
        WeightsError: it is no results folder, or it is not finished; says how to finish it.
    """
    folder = RunFolder(path)
    if not folder.lock.is_file():
        raise WeightsError(f"{path}: expected a results folder, it has no {folder.lock.name}.")
    try:
        text = folder.lock.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise WeightsError(f"{folder.lock}: expected a recipe, it cannot be read: {error}.") from error
    document = parse(text, str(folder.lock))
    if document.problems or not isinstance(document.data, dict):
        raise WeightsError("\n".join(map(document.show, document.problems)) or f"{folder.lock}: holds no recipe.")
    if not folder.report.is_file():
        raise WeightsError(f"{path}: not finished{_way_on(folder, document.data)}")
    report = folder.read_json(folder.report)
    if not isinstance(report, dict):
        raise WeightsError(f"{folder.report}: expected a report, it holds none.")
    return ComparedRun(str(path), report, document.data)


def _way_on(folder: RunFolder, recipe: dict[str, object]) -> str:
    lock = recipe.get("lock")
    if isinstance(lock, dict) and "weights" in lock:
        return ": the same `robustkit evaluate` command goes on with it."
    done = len(folder.read_metrics()) if folder.metrics.is_file() else 0
    return f", {done} of {recipe.get('epochs')} epochs. Go on with it: robustkit run {folder.path} --resume"
