"""What `robustkit evaluate` does once it is clear what to measure: measure every network, and keep what was found."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from robustkit.cli.screen import progress_display
from robustkit.cli.subject import Subject
from robustkit.components.randomness import derive
from robustkit.engine.arithmetic import place
from robustkit.engine.device import choose_device
from robustkit.engine.folder import RunFolder, make_folder
from robustkit.engine.launch import surroundings
from robustkit.engine.report import CAUTION, report_json, report_text, saved_images
from robustkit.errors import InputError, RobustkitError
from robustkit.evaluation.keeping import measure_and_keep
from robustkit.evaluation.measurement import Measurement
from robustkit.evaluation.norms import norm_report
from robustkit.models.files import write_text
from robustkit.recipe.lock import lock_text, plain, provenance
from robustkit.recipe.schema import EvaluationRecipe, Recipe


@dataclass(frozen=True)
class Job:
    """Networks, and how they are measured."""

    subject: Subject
    settings: EvaluationRecipe

    @property
    def recipe(self) -> Recipe:
        """The subject's recipe, evaluated as this job says."""
        return replace(self.subject.recipe, evaluation=self.settings)

    def run(self, output: Path | None, *, quiet: bool) -> dict[str, Any]:
        """Measure every network; returns the report, which is also written to `output`, a folder, if one is given.

        A folder that a killed evaluation left is gone on with.

        Raises:
            InputError: `output` holds something else.
        """
        with nullcontext(str(output)) if output else tempfile.TemporaryDirectory() as place_to_work:
            folder = RunFolder(place_to_work)
            new = not folder.path.exists()
            if output is not None:
                self._begin(folder)
            try:
                measurements, again, examples = self._measure(folder, quiet=quiet)
            except RobustkitError:
                if new and not any(folder.path.rglob("*.safetensors")):
                    shutil.rmtree(folder.path)  # bad input leaves nothing behind
                raise
            report = self._report(measurements, examples) | saved_images(again)
            if output is not None:
                write_text(folder.report, report_json(report))
                write_text(folder.report_text, report_text(report))
                folder.remove_unfinished()
        return report

    def _begin(self, folder: RunFolder) -> None:
        """Make the folder and write what is measured into it, or find it begun."""
        if folder.report.is_file():
            raise InputError(f"{folder.path}: holds a finished result already. Name another folder behind --output.")
        strangers = [path for path in folder.path.glob("*") if path.name not in (folder.lock.name, "unfinished")]
        strangers = [path for path in strangers if path.name != "examples" and not path.name.endswith(".partial")]
        if strangers or (folder.path.exists() and not folder.path.is_dir()):
            raise InputError(f"{folder.path}: is there already. Name another folder behind --output.")
        make_folder(folder.path)
        lock = {**provenance(self.recipe, self.subject.registry), "weights": self._weights()}
        write_text(folder.lock, lock_text(self.recipe, lock))

    def _weights(self) -> dict[str, dict[str, str]]:
        return {
            name: {"file": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
            for name, path in self.subject.files.items()
        }

    def _measure(
        self, folder: RunFolder, *, quiet: bool
    ) -> tuple[dict[str, Measurement], dict[str, dict[str, Any] | None], int]:
        recipe, subject, device = self.subject.recipe, self.subject, choose_device(self.subject.recipe.device)
        test = recipe.dataset.load("test")
        test = test.subset(torch.arange(min(self.settings.test_examples or len(test), len(test)))).to(device)
        measurements, again = {}, {}
        with surroundings(recipe), progress_display(quiet=quiet, err=True) as display:
            display.evaluation_started(subject.names, list(self.settings.final_attacks))
            for name in subject.names:
                model, oddities = subject.network(name, test)
                for text in oddities:
                    display.warned(text)

                def heard(part: str, done: int, total: int, name: str = name) -> None:
                    display.measuring(name, part, done, total)

                place(model, recipe.compute, device)
                measurements[name], again[name] = measure_and_keep(
                    model,
                    test,
                    self.settings,
                    seed=derive(recipe.seed, "evaluation"),
                    compute=recipe.compute,
                    report=heard,
                    file=folder.examples(name),
                    unfinished=folder.unfinished(name),
                    header={"recipe": recipe.name, "network": name},
                )
        return measurements, again, len(test)

    def _report(self, measurements: Mapping[str, Measurement], examples: int) -> dict[str, Any]:
        recipe = self.subject.recipe
        return {
            "name": recipe.name,
            "seed": recipe.seed,
            "robustkit": version("robustkit-torch"),
            "weights": self._weights(),
            **({"architecture": plain(self.subject.architecture)} if self.subject.architecture else {}),
            "dataset": plain(recipe.dataset),
            "examples": {"test": examples},
            "batch_size": self.settings.batch_size,
            "attacks": {name: plain(attack) for name, attack in self.settings.final_attacks.items()},
            "manner": plain(self.settings.manner),
            "networks": {name: found.plain() for name, found in measurements.items()},
            **norm_report(self.settings.final_attacks, self.settings.manner, measurements),
            "caution": CAUTION,
            "cost": {
                "evaluation_seconds": {name: dict(found.seconds) for name, found in measurements.items()},
                "evaluation_passes": {name: found.passes() for name, found in measurements.items()},
            },
        }
