"""Finished runs, read back: figures, metrics, and every network as a model."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from robustkit.engine.folder import RunFolder
from robustkit.engine.report import report_text
from robustkit.errors import WeightsError, did_you_mean, known
from robustkit.models.classifier import Classifier
from robustkit.models.files import load_model
from robustkit.plugin.registry import Registry
from robustkit.recipe.loader import load_recipe
from robustkit.recipe.schema import Recipe


class FinishedRun:
    """What a run left in its results folder.

    Args:
        path: the folder.
        registry: where components are looked up; by default, the installed plugins.
    """

    def __init__(self, path: str | Path, registry: Registry | None = None) -> None:
        self.folder, self._registry = RunFolder(path), registry
        if not self.folder.lock.is_file():
            raise WeightsError(f"{path}: expected a results folder, it has no {self.folder.lock.name}.")

    @property
    def path(self) -> Path:
        """The results folder."""
        return self.folder.path

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe as it ran."""
        return load_recipe(self.folder.lock, registry=self._registry)

    @cached_property
    def report(self) -> dict[str, Any]:
        """report.json: natural and robust accuracy of every network, with intervals and sample counts."""
        report: dict[str, Any] = self.folder.read_json(self.folder.report)
        return report

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        """One mapping an epoch: losses, learning rates, validation accuracies."""
        return self.folder.read_metrics()

    def model(self, network: str = "global", *, device: str | torch.device = "cpu") -> Classifier:
        """The global learner, or a learner by name, in eval mode; maps [0, 1] images to logits.

        Raises:
            WeightsError: there is no such network, or its file is damaged.
        """
        path = self.folder.weights(network)
        names = sorted(file.stem for file in path.parent.glob("*.safetensors"))
        if network not in names:
            raise WeightsError(f"{self.path}: no network {network!r}.{did_you_mean(network, names)} {known(names)}")
        return load_model(path, device=device, registry=self._registry)

    def __repr__(self) -> str:
        """The report, to be read; of an unfinished run, how far it is."""
        if self.folder.report.is_file():
            return f"FinishedRun({str(self.path)!r})\n\n{report_text(self.report)}"
        return f"FinishedRun({str(self.path)!r}): not finished, {len(self.metrics)} of {self.recipe.epochs} epochs."


def load_run(path: str | Path, registry: Registry | None = None) -> FinishedRun:
    """Open a results folder.

    Raises:
        WeightsError: it is none.
    """
    return FinishedRun(path, registry)
