"""An estimate, to be read."""

from __future__ import annotations

from robustkit.cli.costs import amount, peaks_text, percent, step_table
from robustkit.cli.kinds import counted
from robustkit.cli.output import table
from robustkit.cli.progress import duration
from robustkit.engine.cost.estimate import RIGHT, SOON, Cost, Estimate
from robustkit.engine.run import Run

_LONG = 1800.0  # seconds: of a run longer than that, a first look is worth its while
_LOOK = 600.0


def forecast_text(run: Run, found: Estimate, recipe: str) -> str:
    """The estimate.

    Args:
        run: what was estimated.
        found: what was found.
        recipe: its name on the command line.
    """
    lines = [_heading(run), "", _parts(found), ""]
    lines += [step_table(found.step.plain()), "", *_remarks(run, found), *_first_look(found, recipe)]
    return "\n".join(lines)


def _heading(run: Run) -> str:
    recipe, clock = run.recipe, run.clock
    return (
        f"{recipe.name}: {recipe.architecture.name} on {recipe.dataset.name}, {counted(len(run.learners), 'learner')}, "
        f"{counted(clock.epochs, 'epoch')} of {counted(clock.batches, 'batch')} of {recipe.batch_size} on {run.device}"
    )


def _parts(found: Estimate) -> str:
    parts = {"training": found.training, "validation": found.validation, "final evaluation": found.evaluation}
    parts = {name: cost for name, cost in parts.items() if cost.seconds} | {"whole run": found.total}
    return table(["", "time", "at most", "FLOP at most"], [_part(name, cost) for name, cost in parts.items()])


def _part(name: str, cost: Cost) -> list[str]:
    return [name, duration(cost.seconds), duration(cost.at_most), amount(cost.flops, "FLOP")]


def _remarks(run: Run, found: Estimate) -> list[str]:
    step, trial, memory = found.step, found.trial, found.memory
    lines = [
        f"{step.images_per_second:,.0f} images/s, {duration(found.epoch_seconds)} an epoch, "
        f"{percent(step.share_of_peak)} of the peak, {amount(step.total_flops / step.images, 'FLOP')} an image.",
        peaks_text(step.plain()),
        f"Memory: {amount(memory.peak, 'B')} at its highest; weights {amount(memory.weights, 'B')}, gradients "
        f"{amount(memory.gradients, 'B')}, optimizers {amount(memory.optimizers, 'B')}, activations "
        f"{amount(memory.training_activations, 'B')} in training and {amount(memory.evaluation_activations, 'B')} in "
        "evaluation.",
    ]
    part = "" if trial.images == step.images else f", with {trial.images} of a batch's {step.images} images,"
    lines.append(f"Measured in {duration(found.calibration)}: {counted(trial.steps, 'step')}{part} timed.")
    if trial.compilation:
        lines.append(f"Compiling takes {duration(trial.compilation)} of the training.")
    if found.books.settlings:
        lines.append(
            f"Not counted: what the aggregator {run.recipe.aggregator.name} measures on validation examples before it "
            f"merges, at {counted(found.books.settlings, 'moment')}."
        )
    if run.recipe.evaluation.attacks or run.recipe.evaluation.final_attacks:
        lines.append(
            f"Assumed of measuring: {100 * RIGHT:.0f} % of the examples are right without an attack, and attacks break "
            f"{100 * SOON:.0f} % of these at once; `at most`: every example is right, and stands to each attack's end."
        )
    return lines


def _first_look(found: Estimate, recipe: str) -> list[str]:
    """What to try before a long run."""
    if found.total.seconds < _LONG or found.epochs == 1:
        return []
    epochs = max(1, min(found.epochs - 1, int(_LOOK / found.epoch_seconds)))
    return [
        f"A first look: robustkit run {recipe} --stop-after {epochs} takes {duration(epochs * found.epoch_seconds)}, "
        "and --resume goes on from there."
    ]
