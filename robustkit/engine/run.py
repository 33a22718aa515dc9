"""A run, readable from top to bottom: build, train epoch by epoch, measure, keep what validation selects, report."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import torch
from torch import Tensor

from robustkit.attacking.verification import Verdicts, judged_later
from robustkit.components.clock import Clock
from robustkit.components.phases import phase
from robustkit.components.randomness import derive, seed_globally
from robustkit.components.weights import Weights, copy_
from robustkit.engine.arithmetic import decide, place
from robustkit.engine.batch_norm import recompute_batch_norm
from robustkit.engine.bench import RunBench
from robustkit.engine.checkpoint import Progress, load_checkpoint, save_checkpoint
from robustkit.engine.data import RunData
from robustkit.engine.device import choose_device
from robustkit.engine.folder import RunFolder, make_folder
from robustkit.engine.lanes import Lanes
from robustkit.engine.learner import Learner
from robustkit.engine.listener import Listener
from robustkit.engine.report import final_report, report_json, report_text, saved_images
from robustkit.errors import InputError, TrainingError
from robustkit.evaluation.evaluator import Report, evaluate
from robustkit.evaluation.keeping import measure_and_keep
from robustkit.evaluation.measurement import Measurement
from robustkit.models.classifier import build_classifier
from robustkit.models.files import load_weights, model_header, read_tensors, save_tensors, write_text
from robustkit.plugin.manager import Plugins
from robustkit.recipe.lock import lock_text, provenance
from robustkit.recipe.schema import Recipe

GLOBAL = "global"
_CHECK_EVERY = 20  # batches between looks at the losses, each of which waits for the device


class Run:
    """Everything a run is made of. Building it reads the data and checks that all parts fit; it writes nothing."""

    def __init__(self, recipe: Recipe, folder: RunFolder, plugins: Plugins, listener: Listener | None = None) -> None:
        self.recipe, self.folder, self.plugins = recipe, folder, plugins
        self.listener = listener or Listener()
        self.device = choose_device(recipe.device)
        self.data = RunData(recipe, self.device)
        self.clock = Clock(recipe.epochs, self.data.batches_per_epoch)
        seed_globally(derive(recipe.seed, "weights"), self.device)
        train = self.data.train
        model = build_classifier(recipe.architecture, train.num_classes, train.image_shape, recipe.normalization)
        place(model.to(self.data.dtype), recipe.compute, self.device)
        self.model, self.merged = model, model.weights()
        self.arithmetic = decide(recipe.compute, model, train.image_shape)
        settings: Any = {"seed": recipe.seed, "clock": self.clock, "arithmetic": self.arithmetic}
        self.learners = {name: Learner(name, part, model, **settings) for name, part in recipe.learners.items()}
        for part in recipe.learners.values():
            part.strategy.check_data(train.num_classes, train.image_shape)
        starts = {name: learner.weights.raw for name, learner in self.learners.items()}
        self.bench = RunBench(recipe, self.data, model, starts)
        self.lanes = Lanes(self.device, len(self.learners), wanted=recipe.compute.overlap_learners)
        self.progress, self.verdicts = Progress(), Verdicts()

    def resume(self) -> None:
        """Go back to where the folder's checkpoint stands.

        Raises:
            WeightsError: there is none, or it does not fit.
        """
        self.progress = load_checkpoint(self.folder.checkpoint, self.merged, self.learners)
        self.bench.recall(self.progress.metrics)
        self.folder.write_metrics(self.progress.metrics)

    def train(self, stop_after: int | None = None) -> None:
        """Train the epochs that are left, at most up to `stop_after`; after each, measure and write a checkpoint.

        Raises:
            TrainingError: a loss or weight is not finite; the checkpoint of the epoch before stays.
        """
        self.listener.started(self)
        self._observe("run_started")
        last = min(self.recipe.epochs, stop_after or self.recipe.epochs)
        with closing(self.data):
            for epoch in range(self.progress.epoch + 1, last + 1):
                started = time.perf_counter()
                self._train_epoch(epoch)
                trained = time.perf_counter() - started
                metrics = self._epoch_metrics(epoch)
                examples = self.data.batches_per_epoch * self.recipe.batch_size
                metrics |= {"seconds": time.perf_counter() - started, "images_per_second": examples / trained}
                self._finish_epoch(epoch, metrics)

    def _train_epoch(self, epoch: int) -> None:
        self.clock.start_epoch(epoch)
        for learner in self.learners.values():
            learner.start_epoch()
        self._redistribute()
        for images, labels in self._batches(epoch):
            self.step(images, labels)
            if self.clock.batch % _CHECK_EVERY == 0:
                self._check_losses()
            self.listener.batch_ended(self)
        self._check_losses()
        self._check_weights()

    def step(self, images: Tensor, labels: Tensor) -> None:
        """Train every learner on one batch, and merge."""
        for lane, learner in zip(self.lanes, self.learners.values(), strict=True):
            with lane, judged_later(self.verdicts):
                learner.step(images, labels, self.clock)
        self.lanes.join()
        self.clock.tick()
        with phase("aggregator"):
            self.recipe.aggregator.update(self.clock, self.merged, self._offered())
            if self.recipe.aggregator.settles(self.clock):
                self.bench.settle(self.clock, self.merged, self._offered())
            self._redistribute()

    def _batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        batches = iter(self.data.batches(epoch))
        while True:
            with phase("data"):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    def _redistribute(self) -> None:
        aggregator = self.recipe.aggregator
        if not aggregator.redistributes(self.clock):
            return
        self._settle_batch_norm()
        for learner in self.learners.values():
            learner.restart(self.merged, reset_optimizer=aggregator.resets_optimizers)

    def _settle_batch_norm(self) -> None:
        """Recompute the global learner's BatchNorm statistics where its aggregator leaves them to the engine."""
        if self.recipe.aggregator.recomputes_batch_norm(self.clock):
            recompute_batch_norm(self.model, self.data.plain_batches())

    def _offered(self) -> dict[str, Any]:
        return {name: learner.weights for name, learner in self.learners.items()}

    def _epoch_metrics(self, epoch: int) -> dict[str, Any]:
        evaluation = self.recipe.evaluation
        due = epoch % evaluation.every_epochs == 0 or epoch == self.recipe.epochs
        networks: dict[str, dict[str, Any]] = {GLOBAL: {"aggregator": self.bench.found} if self.bench.found else {}}
        for name, learner in self.learners.items():
            networks[name] = {"loss": learner.mean_loss(), "lr": learner.lr}
        if due:
            self._settle_batch_norm()
        if due and len(self.data.validation):
            for name, measurement in self.measure(self.data.validation, evaluation.attacks).items():
                networks[name]["validation"] = {k: v.share for k, v in measurement.accuracies().items()}
        return {"epoch": epoch, GLOBAL: networks.pop(GLOBAL), "learners": networks}

    def measure(self, examples: Any, attacks: Mapping[str, Any]) -> dict[str, Measurement]:
        """Measure the global learner and every learner (its average where it keeps one) on the same examples."""
        merged = {name: tensor.clone() for name, tensor in self.merged.items()}
        found = {}
        for name, weights in {GLOBAL: merged, **self._offered()}.items():
            copy_(self.merged, weights)
            found[name] = self._evaluate(self.model, name, examples, attacks)
        copy_(self.merged, merged)
        return found

    def _evaluate(self, model: torch.nn.Module, name: str, examples: Any, attacks: Mapping[str, Any]) -> Measurement:
        batch_size, seed = self.recipe.evaluation.batch_size, derive(self.recipe.seed, "evaluation")
        settings: dict[str, Any] = {"batch_size": batch_size, "seed": seed, "compute": self.recipe.compute}
        with self._measuring(name) as report:
            return evaluate(model, examples, attacks, report=report, **settings)

    @contextmanager
    def _measuring(self, name: str) -> Iterator[Report]:
        def report(part: str, done: int, total: int) -> None:
            self.listener.measuring(name, part, done, total)

        try:
            with phase("evaluation"):
                yield report
        except InputError as error:
            raise TrainingError(f"network {name!r} cannot be measured: {error}") from error

    def _finish_epoch(self, epoch: int, metrics: dict[str, Any]) -> None:
        progress, by = self.progress, self.recipe.evaluation.select_by
        score = metrics[GLOBAL].get("validation", {}).get(by)
        if score is not None and (progress.selected_score is None or score > progress.selected_score):
            progress.selected_epoch, progress.selected_score = epoch, score
            self._save_weights(epoch)
        progress.epoch = epoch
        progress.metrics.append(metrics)
        self.folder.write_metrics(progress.metrics)
        if by == "last" and epoch == self.recipe.epochs:
            self._save_weights(epoch)
        save_checkpoint(self.folder.checkpoint, progress, self.merged, self.learners)
        self.listener.epoch_ended(self, metrics)
        self._observe("epoch_ended", epoch=epoch, metrics=metrics)

    def _save_weights(self, epoch: int) -> None:
        train = self.data.train
        header = model_header(self.recipe.architecture, self.model, train.class_names, train.image_shape)
        header |= {"recipe": self.recipe.name, "epoch": epoch, "selected_by": self.recipe.evaluation.select_by}
        for name, weights in {GLOBAL: self.merged, **self._offered()}.items():
            save_tensors(self.folder.weights(name), weights, {**header, "network": name})

    def finish(self) -> dict[str, Any]:
        """Measure the kept weights on the test examples and write examples/ and the reports; returns report.json's.

        A measurement that was killed goes on where it was.
        """
        measurements, again, epoch = {}, {}, 0
        model, folder = copy.deepcopy(self.model), self.folder
        for name in (GLOBAL, *self.learners):
            tensors, header = read_tensors(folder.weights(name))
            load_weights(model, tensors, str(folder.weights(name)))
            epoch = header["epoch"]
            with self._measuring(name) as heard:
                measurements[name], again[name] = measure_and_keep(
                    model,
                    self.data.test,
                    self.recipe.evaluation,
                    seed=derive(self.recipe.seed, "evaluation"),
                    compute=self.recipe.compute,
                    report=heard,
                    file=folder.examples(name),
                    unfinished=folder.unfinished(name),
                    header={"recipe": self.recipe.name, "network": name, "epoch": epoch},
                )
        report = final_report(self.recipe, self.progress, epoch, self.data, measurements, self.arithmetic)
        report |= saved_images(again)
        write_text(folder.report, report_json(report))
        write_text(folder.report_text, report_text(report))
        folder.remove_unfinished()
        self.listener.ended(self, report)
        self._observe("run_ended", report=report)
        return report

    def write_lock(self) -> None:
        """Make the folder and write what runs into it."""
        make_folder(self.folder.path)
        lock = {**provenance(self.recipe, self.plugins.registry), "computed_in": self.arithmetic.named()}
        write_text(self.folder.lock, lock_text(self.recipe, lock))

    def _check_losses(self) -> None:
        before = self.clock.epoch - 1
        kept = (
            f"The checkpoint of epoch {before} is kept in {self.folder.path}." if before else "No epoch was finished."
        )
        self.verdicts.read()
        for learner in self.learners.values():
            learner.check_losses(self.clock.epoch, kept)

    def _check_weights(self) -> None:
        networks: Iterable[tuple[str, Weights]] = [(name, w.raw) for name, w in self._offered().items()]
        for name, weights in [*networks, (GLOBAL, self.merged)]:
            for key, tensor in weights.items():
                if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                    raise TrainingError(f"{name}: {key} is no longer finite at the end of epoch {self.clock.epoch}.")

    def _observe(self, hook: str, **arguments: Any) -> None:
        for implementation in getattr(self.plugins.hooks.hook, hook).get_hookimpls():
            given = {"run": self, **arguments}
            try:
                implementation.function(*(given[name] for name in implementation.argnames))
            except Exception as error:  # an observer is a stranger's code, and must not cost a night's training
                text = f"observer {implementation.plugin_name} raised in {hook}(): {type(error).__name__}: {error}"
                self.listener.warned(text)
