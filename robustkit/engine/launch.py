"""Starting a run, or going on with one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch

from robustkit.attacking.isolation import private_randomness
from robustkit.components.randomness import derive
from robustkit.engine.allocator import buffers_kept
from robustkit.engine.cost.profiler import profiled
from robustkit.engine.device import choose_device
from robustkit.engine.folder import RunFolder, claimed_folder, new_folder
from robustkit.engine.listener import Listener
from robustkit.engine.results import FinishedRun
from robustkit.engine.run import Run
from robustkit.errors import InputError, RobustkitError
from robustkit.plugin.manager import Plugins, installed
from robustkit.recipe.loader import load_recipe
from robustkit.recipe.lock import changed_since, differences, resolved
from robustkit.recipe.schema import Recipe


def run(
    recipe: Recipe | str | Path | Mapping[str, Any],
    *overrides: str,
    output: str | Path | None = None,
    resume: bool = False,
    stop_after: int | None = None,
    profile: bool = False,
    trace: bool = False,
    listener: Listener | None = None,
    plugins: Plugins | None = None,
) -> FinishedRun:
    """Train the learners of a recipe, measure them, and write a results folder.

    Args:
        recipe: as for `load_recipe`, or a recipe that is already built.
        overrides: `path=value` words; not with a recipe that is already built.
        output: the results folder; by default the first free of runs/NAME, runs/NAME-2, ...
        resume: go on from the checkpoint in the results folder, which `output` names (or `recipe`, if it is a folder).
        stop_after: train no epoch past this one and measure nothing on the test examples; `resume` goes on from there.
        profile: write profile.json: time and operations of a training step, phase by phase, and shares of the peak.
        trace: as `profile`, and also write trace.json.gz, a torch profiler trace of a few steps.
        listener: told how it goes.
        plugins: by default, the installed ones.

    Returns:
        The finished run: its report, metrics and models. One that was stopped has metrics only.

    Raises:
        RobustkitError: one of its family; see `robustkit.errors`. Bad input leaves no folder behind.
    """
    plugins = plugins or installed()
    if isinstance(recipe, Recipe) and overrides:
        raise InputError("overrides need a recipe to be read, not one that is already built: use dataclasses.replace.")
    if stop_after is not None and stop_after < 1:
        raise InputError(f"expected to stop after epoch 1 or later, got {stop_after}.")
    built = recipe if isinstance(recipe, Recipe) else load_recipe(recipe, *overrides, registry=plugins.registry)
    if resume and output is None and isinstance(recipe, str | Path) and Path(recipe).is_dir():
        output = recipe
    folder = _folder_to_resume(built, output, plugins) if resume else RunFolder(new_folder(built.name, output))
    with surroundings(built), ExitStack() as watching:
        job = Run(built, folder, plugins, listener)
        for text in changed_since(built, plugins.registry):
            job.listener.warned(text)
        if resume and folder.checkpoint.is_file():
            job.resume()
        else:
            if output is None:
                job.folder = RunFolder(claimed_folder(built.name))
            job.write_lock()
        if profile or trace:
            watching.enter_context(profiled(job, trace=trace))
        try:
            job.train(stop_after)
        except RobustkitError as error:  # for example an image that turns out to be none when it is decoded
            if error.exit_code == RobustkitError.exit_code and not resume:
                job.folder.withdraw()
            raise
        if job.progress.epoch == built.epochs:
            job.finish()
    return FinishedRun(job.folder.path, plugins.registry)


def _folder_to_resume(recipe: Recipe, output: str | Path | None, plugins: Plugins) -> RunFolder:
    """The folder to go on in, once it is sure that it holds this very run.

    Raises:
        InputError: no folder was named, or its lock differs from the recipe.
    """
    if output is None:
        raise InputError("to resume, name the results folder: robustkit run runs/NAME --resume.")
    folder = RunFolder(output)
    if not folder.lock.is_file():
        raise InputError(f"{output}: nothing to resume, it has no {folder.lock.name}.")
    before = load_recipe(folder.lock, registry=plugins.registry)
    changed = differences(resolved(before), resolved(recipe))
    if changed:
        listed = "\n  ".join(changed)
        raise InputError(
            f"{output} holds another run than this recipe:\n  {listed}\nResume it as it was "
            f"(robustkit run {output} --resume), or start anew in another --output."
        )
    return folder


@contextmanager
def surroundings(recipe: Recipe) -> Iterator[None]:
    """The recipe's threads, kernels, memory and private randomness; all given back afterwards."""
    threads, cudnn = torch.get_num_threads(), torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    seed = derive(recipe.seed, "run")
    try:
        if recipe.threads is not None:
            torch.set_num_threads(recipe.threads)
        cudnn.deterministic, cudnn.benchmark = recipe.compute.deterministic, not recipe.compute.deterministic
        device = choose_device(recipe.device)
        kept = buffers_kept(wanted=recipe.compute.keep_buffers and device.type == "cpu")
        with private_randomness(seed, device), kept:
            yield
    finally:
        torch.set_num_threads(threads)
        cudnn.deterministic, cudnn.benchmark = before
