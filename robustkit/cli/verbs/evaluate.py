"""`robustkit evaluate`: measure networks that are already trained, under any attacks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robustkit.cli.output import accuracy_rows, json_option, print_json, table
from robustkit.cli.plugin_options import PluginChoice, plugin_options
from robustkit.cli.recipe_argument import RecipeName

if TYPE_CHECKING:
    from robustkit.cli.subject import Subject
    from robustkit.recipe.schema import EvaluationRecipe

network_option = click.option(
    "--network", metavar="NAME", help="Which of a run's networks: global (the default), a learner's name, or all."
)
attack_option = click.option(
    "--attack",
    "specs",
    metavar="SPEC",
    multiple=True,
    help="Use this attack instead: pgd:eps=8/255,steps=20, or NAME=pgd:eps=8/255, or a YAML mapping; may be repeated.",
)
attacks_option = click.option(
    "--attacks", "attacks_of", metavar="RECIPE", type=RecipeName(), help="Use this recipe's final_attacks instead."
)
data_option = click.option("--data", metavar="RECIPE", type=RecipeName(), help="Measure as this recipe says.")
batch_size_option = click.option(
    "--batch-size",
    metavar="N",
    type=click.IntRange(min=1),
    help="Examples measured at a time; it changes memory and speed, not the attacks' starts.",
)


@click.command("evaluate")
@click.argument("source", metavar="RUN-OR-WEIGHTS", type=click.Path(path_type=Path))
@click.argument("overrides", metavar="[PATH=VALUE]...", nargs=-1)
@network_option
@attack_option
@attacks_option
@data_option
@click.option("--examples", metavar="N", type=click.IntRange(min=1), help="Only the first N test examples.")
@batch_size_option
@click.option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1, ...")
@click.option("--output", metavar="FILE.json", type=click.Path(path_type=Path), help="Also write the result here.")
@click.option("--quiet", "-q", is_flag=True, help="No progress, only the results.")
@json_option
@plugin_options
def command(
    source: Path,
    overrides: tuple[str, ...],
    network: str | None,
    specs: tuple[str, ...],
    attacks_of: str | None,
    data: str | None,
    examples: int | None,
    batch_size: int | None,
    device: str | None,
    output: Path | None,
    quiet: bool,
    as_json: bool,
    choice: PluginChoice,
) -> None:
    """Measure networks that are already trained.

    RUN-OR-WEIGHTS is a results folder or a weights file. Without further options a run's global learner is measured as
    at the end of its run: on the test examples, under the run's final attacks, from the same starts.
    PATH=VALUE words change that, for example dataset.root=/data. Nothing is written without --output.
    """
    from robustkit.cli.subject import open_subject
    from robustkit.errors import InputError

    if output is not None and output.exists():
        raise InputError(f"{output}: is there already. Name another file behind --output.")
    registry = choice.load().registry
    words = [*overrides, *([f"device={device}"] if device else [])]
    subject = open_subject(source, words, data=data, network=network, registry=registry)
    result = _measure(subject, _settings(subject, specs, attacks_of, examples, batch_size), quiet=quiet)
    if output is not None:
        output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if as_json:
        print_json(result)
    else:
        _show(result)


def _settings(
    subject: Subject, specs: tuple[str, ...], attacks_of: str | None, examples: int | None, batch_size: int | None
) -> EvaluationRecipe:
    """The recipe's own way of evaluating, changed as the options say."""
    from dataclasses import replace

    from robustkit.cli.attack_spec import parse_attacks
    from robustkit.recipe.loader import load_recipe

    settings = subject.recipe.evaluation
    if specs or attacks_of:
        named = load_recipe(attacks_of, registry=subject.registry).evaluation.final_attacks if attacks_of else {}
        settings = replace(settings, final_attacks={**named, **parse_attacks(specs, subject.registry)})
    return replace(
        settings,
        test_examples=examples or settings.test_examples,
        batch_size=batch_size or settings.batch_size,
    )


def _measure(subject: Subject, settings: EvaluationRecipe, *, quiet: bool) -> dict[str, Any]:
    """Measure every network of the subject; returns what `--json` prints."""
    import torch

    from robustkit.cli.screen import progress_display
    from robustkit.components.randomness import derive
    from robustkit.engine.arithmetic import place
    from robustkit.engine.device import choose_device
    from robustkit.engine.launch import surroundings
    from robustkit.evaluation.evaluator import evaluate

    recipe, device = subject.recipe, choose_device(subject.recipe.device)
    test = recipe.dataset.load("test")
    test = test.subset(torch.arange(min(settings.test_examples or len(test), len(test)))).to(device)
    measurements = {}
    with surroundings(recipe), progress_display(quiet=quiet, err=True) as display:
        display.evaluation_started(list(subject.files), list(settings.final_attacks))
        for name in subject.files:
            model, oddities = subject.network(name, test)
            for text in oddities:
                display.warned(text)

            def report(part: str, done: int, total: int, name: str = name) -> None:
                display.measuring(name, part, done, total)

            place(model, recipe.compute, device)
            measurements[name] = evaluate(
                model,
                test,
                settings.final_attacks,
                batch_size=settings.batch_size,
                seed=derive(recipe.seed, "evaluation"),
                report=report,
                compute=recipe.compute,
            )
    return _result(subject, settings, len(test), measurements)


def _result(
    subject: Subject, settings: EvaluationRecipe, examples: int, measurements: dict[str, Any]
) -> dict[str, Any]:
    from importlib.metadata import version

    from robustkit.engine.report import CAUTION
    from robustkit.recipe.lock import plain

    return {
        "robustkit": version("robustkit-torch"),
        "weights": {name: str(path) for name, path in subject.files.items()},
        "dataset": plain(subject.recipe.dataset),
        "examples": {"test": examples},
        "batch_size": settings.batch_size,
        "seed": subject.recipe.seed,
        "attacks": {name: plain(attack) for name, attack in settings.final_attacks.items()},
        "networks": {name: found.plain() for name, found in measurements.items()},
        "caution": CAUTION,
        "cost": {"evaluation_seconds": {name: dict(found.seconds) for name, found in measurements.items()}},
    }


def _show(result: dict[str, Any]) -> None:
    from robustkit.cli.progress import duration

    head, rows = accuracy_rows(result["networks"])
    spent = result["cost"]["evaluation_seconds"].values()
    for row in rows:
        seconds = sum(parts.get(row[0], 0.0) for parts in spent)
        row.append("" if row[0] == "worst-case" else duration(seconds))
    click.echo(table([*head, "time"], rows))
    click.echo(f"\non {result['examples']['test']:,} test examples, with 95 % intervals")
    click.echo(result["caution"])
