"""What a run would do, told without doing it: `robustkit run --dry-run`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from robustkit.cli.kinds import counted
from robustkit.components.clock import Clock
from robustkit.engine.run import Run
from robustkit.plugin.description import brief
from robustkit.recipe.averaging import Averaging
from robustkit.recipe.lock import plain, resolved


def plan_of(run: Run) -> dict[str, Any]:
    """The plan as plain data, for `--json`."""
    recipe, data = run.recipe, run.data
    return {
        "name": recipe.name,
        "seed": recipe.seed,
        "output": str(run.folder.path),
        "device": str(run.device),
        "image_shape": list(data.train.image_shape),
        "class_names": list(data.train.class_names),
        "examples": {"train": len(data.train), "validation": len(data.validation), "test": len(data.test)},
        "epochs": recipe.epochs,
        "batches_per_epoch": data.batches_per_epoch,
        "steps": recipe.epochs * data.batches_per_epoch,
        "parameters": parameters(run),
        "learners": {name: plain(learner) for name, learner in recipe.learners.items()},
        "redistributions": [{"epoch": epoch, "batches": list(batches)} for epoch, batches in redistributions(run)],
        "recipe": resolved(recipe),
    }


def parameters(run: Run) -> int:
    """Trainable numbers of one network."""
    return sum(parameter.numel() for parameter in run.model.parameters() if parameter.requires_grad)


def redistributions(run: Run) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Each epoch in which the global learner is dealt out, with after which batches (0: before the first)."""
    clock = Clock(run.clock.epochs, run.clock.batches)
    for epoch in range(1, clock.epochs + 1):
        clock.start_epoch(epoch)
        moments = [0] if run.recipe.aggregator.redistributes(clock) else []
        for _ in range(clock.batches):
            clock.tick()
            if run.recipe.aggregator.redistributes(clock):
                moments.append(clock.batch)
        if moments:
            yield epoch, tuple(moments)


def plan_text(run: Run) -> str:
    """The plan, to be read."""
    recipe, evaluation = run.recipe, run.recipe.evaluation
    learners = [line for name in run.learners for line in _learner_lines(run, name)]
    sections = [
        ("data", _data_lines(run)),
        (
            "network",
            [
                f"{brief(recipe.architecture)}, {parameters(run):,} parameters, "
                f"{recipe.precision} on {run.device}{_computed(run)}"
            ],
        ),
        ("training", _training_lines(run)),
        ("learners", learners),
        ("aggregator", [brief(recipe.aggregator), *_dealing_lines(run)]),
        ("validation", [*_attack_lines(evaluation.attacks), *_validation_lines(run)]),
        ("test", [*_attack_lines(evaluation.final_attacks), "on the kept weights of every network"]),
        ("results", [str(run.folder.path)]),
    ]
    lines = [f"{recipe.name}, seed {recipe.seed}: everything fits. Nothing was written; the run would be:", ""]
    for title, body in sections:
        lines += [f"{title if not index else '':<12}{line}" for index, line in enumerate(body)]
    return "\n".join(lines)


def _computed(run: Run) -> str:
    """`, training and attacks computed in bfloat16`, where they are."""
    parts = {"training": "training", "attack": "attacks"}
    low = [parts[part] for part, precision in run.arithmetic.named().items() if precision == "bfloat16"]
    return f"; {' and '.join(low)} computed in bfloat16" if low else ""


def _data_lines(run: Run) -> list[str]:
    data = run.data
    shape = " x ".join(map(str, data.train.image_shape))
    return [
        f"{brief(run.recipe.dataset)}: {shape} images in {counted(data.train.num_classes, 'class')}",
        f"{len(data.train):,} to train on, {len(data.validation):,} for validation, {len(data.test):,} to test",
    ]


def _training_lines(run: Run) -> list[str]:
    recipe, clock = run.recipe, run.clock
    epochs, batches = counted(clock.epochs, "epoch"), counted(clock.batches, "batch")
    steps = counted(clock.epochs * clock.batches, "step")
    lines = [f"{epochs} of {batches} of {recipe.batch_size}, {steps} a learner"]
    if recipe.augmentation:
        lines.append(f"augmentation for all: {', '.join(map(brief, recipe.augmentation))}")
    return lines


def _learner_lines(run: Run, name: str) -> Iterator[str]:
    learner = run.recipe.learners[name]
    width = max(map(len, run.learners))
    yield f"{name:<{width}}  {brief(learner.strategy)}"
    yield f"{'':<{width}}  {brief(learner.optimizer)}"
    if learner.augmentation:
        yield f"{'':<{width}}  augmentation of its own: {', '.join(map(brief, learner.augmentation))}"
    if learner.updates_per_batch > 1:
        yield f"{'':<{width}}  {learner.updates_per_batch} updates a batch"
    if learner.freeze:
        yield f"{'':<{width}}  does not train {', '.join(learner.freeze)}"
    if learner.start_from is not None:
        yield f"{'':<{width}}  starts from {learner.start_from}"
    if learner.averaging is not None:
        yield f"{'':<{width}}  offers {_average_text(learner.averaging)}"


def _average_text(averaging: Averaging) -> str:
    since = f", from epoch {averaging.start_epoch}" if averaging.start_epoch > 1 else ""
    if averaging.method == "wa":
        return f"the mean of its weights over batches{since}"
    if averaging.method == "swa":
        ends = "epoch" if averaging.every_epochs == 1 else f"{averaging.every_epochs} epochs"
        return f"the mean of its weights at the end of every {ends}{since}"
    warm_up = ", warmed up" if averaging.warm_up else ""
    return f"its moving average with decay {averaging.decay:g}{warm_up}{since}"


def _dealing_lines(run: Run) -> list[str]:
    by_moments: dict[str, list[int]] = {}
    for epoch, moments in redistributions(run):
        by_moments.setdefault(_moments_text(moments, run.clock.batches), []).append(epoch)
    if not by_moments:
        return ["the learners never get the global learner's weights"]
    return [
        f"every learner goes on from the global learner {moments} of {_epochs_text(epochs)}"
        for moments, epochs in by_moments.items()
    ]


def _moments_text(moments: Sequence[int], batches: int) -> str:
    if tuple(moments) == (0,):
        return "before the first batch"
    if tuple(moments) == (batches,):
        return "after the last batch"
    if tuple(moments) == tuple(range(1, batches + 1)):
        return "after every batch"
    shown = ", ".join(map(str, moments[:6]))
    return f"after batches {shown}{', ...' if len(moments) > 6 else ''}"


def _epochs_text(epochs: Sequence[int]) -> str:
    """`epochs 1-40`, `epochs 20, 25, 30`."""
    runs: list[list[int]] = []
    for epoch in epochs:
        if runs and epoch == runs[-1][-1] + 1:
            runs[-1].append(epoch)
        else:
            runs.append([epoch])
    text = ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
    return f"epoch{'s' if len(epochs) > 1 else ''} {text}"


def _attack_lines(attacks: Any) -> list[str]:
    width = max(map(len, ["natural", *attacks]))
    return ["natural", *(f"{name:<{width}}  {brief(attack)}" for name, attack in attacks.items())]


def _validation_lines(run: Run) -> list[str]:
    evaluation = run.recipe.evaluation
    if not len(run.data.validation):
        return ["never, as no examples are held out; the last epoch's weights are kept"]
    every = "every epoch" if evaluation.every_epochs == 1 else f"every {evaluation.every_epochs} epochs"
    kept = "the last epoch's weights are kept"
    if evaluation.select_by != "last":
        kept = f"the weights of the best {evaluation.select_by} accuracy of the global learner are kept"
    return [f"{every}; {kept}"]
