"""`robustkit evaluate`: measure networks that are already trained, under any attacks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robustkit.cli.failures import exit_code
from robustkit.cli.output import accuracy_rows, echo_norms, json_option, print_json, table
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
@click.argument("source", metavar="MODEL")
@click.argument("overrides", metavar="[PATH=VALUE]...", nargs=-1)
@network_option
@attack_option
@attacks_option
@data_option
@click.option("--examples", metavar="N", type=click.IntRange(min=1), help="Only the first N test examples.")
@batch_size_option
@click.option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1, ...")
@click.option("--eps", metavar="EPS", help="Give every attack this eps: 8/255, say. A step size that is given scales.")
@click.option(
    "--drop-broken", is_flag=True, help="Drop an example once an attack breaks it: the same worst case for less."
)
@click.option("--cheapest-first", is_flag=True, help="Try the attacks in the order of their cost.")
@click.option("--keep-images", is_flag=True, help="Keep each example's worst image, in float32; needs --output.")
@click.option(
    "--output",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Write what was found here, example by example. If killed, the same command goes on where it was.",
)
@click.option("--quiet", "-q", is_flag=True, help="No progress, only the results.")
@json_option
@plugin_options
def command(
    source: str,
    overrides: tuple[str, ...],
    network: str | None,
    specs: tuple[str, ...],
    attacks_of: str | None,
    data: str | None,
    examples: int | None,
    batch_size: int | None,
    device: str | None,
    eps: str | None,
    drop_broken: bool,
    cheapest_first: bool,
    keep_images: bool,
    output: Path | None,
    quiet: bool,
    as_json: bool,
    choice: PluginChoice,
) -> None:
    """Measure networks that are already trained.

    MODEL is a results folder, a weights file, or an architecture that comes with its weights, such as
    timm:model=resnet18,pretrained=true, and then needs --data. Without further options a run's global learner is
    measured as at the end of its run: on the test examples, under the run's final attacks, from the same starts.
    PATH=VALUE words change that, for example dataset.root=/data. Nothing is written without --output.
    """
    from robustkit.cli.subject import open_subject
    from robustkit.errors import InputError

    if keep_images and output is None:
        raise InputError("--keep-images: where to? Name a folder behind --output.")
    registry = choice.load().registry
    manner = [("drop_broken", drop_broken), ("cheapest_first", cheapest_first), ("keep_images", keep_images)]
    words = [f"evaluation.manner.{name}=true" for name, wanted in manner if wanted]
    words = [*overrides, *([f"device={device}"] if device else []), *words]
    subject = open_subject(source, words, data=data, network=network, registry=registry)
    settings = _settings(subject, specs, attacks_of, examples, batch_size)
    result = _measured(subject, _with_eps(settings, eps), output, quiet=quiet)
    if as_json:
        print_json(result)
    else:
        _show(result, output)


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


def _with_eps(settings: EvaluationRecipe, eps: str | None) -> EvaluationRecipe:
    import math
    from dataclasses import replace

    from robustkit.components.fields import number
    from robustkit.curves.variation import with_eps
    from robustkit.errors import InputError

    if eps is None:
        return settings
    radius = number(eps)
    if radius is None or not math.isfinite(radius) or radius < 0:
        raise InputError(f"--eps {eps!r}: expected a number of at least 0, such as 8/255 or 0.031.")
    changed = {name: with_eps(attack, radius) for name, attack in settings.final_attacks.items()}
    return replace(settings, final_attacks=changed)


def _measured(subject: Subject, settings: EvaluationRecipe, output: Path | None, *, quiet: bool) -> dict[str, Any]:
    from robustkit.cli.evaluation import Job

    try:
        return Job(subject, settings).run(output, quiet=quiet)
    except KeyboardInterrupt as interrupt:
        going_on = f"The same command goes on with what is kept in {output}."
        click.echo(f"\nInterrupted. {going_on if output else 'Without --output, nothing is kept.'}", err=True)
        click.get_current_context().exit(exit_code(interrupt))


def _show(result: dict[str, Any], output: Path | None) -> None:
    from robustkit.cli.progress import duration
    from robustkit.engine.report import percent

    head, rows = accuracy_rows(result)
    spent = result["cost"]["evaluation_seconds"].values()
    for row in rows:
        seconds = [parts[row[0]] for parts in spent if row[0] in parts]
        row.append(duration(sum(seconds)) if seconds else "")
    click.echo(table([*head, "time"], rows))
    click.echo(f"\non {result['examples']['test']:,} test examples, with 95 % intervals")
    if result["manner"]["drop_broken"]:
        click.echo("Broken examples were dropped: the accuracy under an attack is that under it and all before it.")
    echo_norms(result)
    for name, figures in result.get("saved_images", {}).items():
        click.echo(
            f"{name}: saved images, read again: {percent(figures['float32'])}; in 8 bits: {percent(figures['8-bit'])}"
        )
    click.echo(result["caution"])
    if output is not None:
        click.echo(f"Written to {output}; `robustkit report {output}` makes a page of it.")
