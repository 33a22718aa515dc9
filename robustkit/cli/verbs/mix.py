"""`robustkit mix`: walk between a finished run's learners, and choose the trade-off after training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robustkit.cli.output import json_option, print_json, table
from robustkit.cli.plugin_options import PluginChoice, plugin_options

if TYPE_CHECKING:
    from robustkit.cli.curve_files import CurveFiles
    from robustkit.components.attack import Attack
    from robustkit.curves.mix_path import Mix, MixPath
    from robustkit.engine.results import FinishedRun
    from robustkit.recipe.schema import Recipe

batch_norm_option = click.option(
    "--batch-norm",
    type=click.Choice(["average", "recompute"]),
    default="average",
    show_default=True,
    help="A mix's BatchNorm statistics: the learners' own in its shares, or recomputed on the training images.",
)


@click.command("mix")
@click.argument("source", metavar="RUN", type=click.Path(path_type=Path))
@click.argument("overrides", metavar="[PATH=VALUE]...", nargs=-1)
@click.option("--grid", metavar="N", type=click.IntRange(min=2), default=11, show_default=True, help="Points an edge.")
@click.option(
    "--attack", "specs", metavar="SPEC", multiple=True, help="Use this attack, as for evaluate; may be repeated."
)
@click.option(
    "--split",
    type=click.Choice(["validation", "test"]),
    default="validation",
    show_default=True,
    help="Where to measure. A choice made on the test split leaves no unbiased figures.",
)
@click.option(
    "--weight",
    metavar="W",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="Best is the largest W * natural + (1 - W) * robust accuracy.",
)
@batch_norm_option
@click.option("--examples", metavar="N", type=click.IntRange(min=1), help="Only the first N examples of the split.")
@click.option("--batch-size", metavar="N", type=click.IntRange(min=1), help="Examples measured at a time.")
@click.option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1, ...")
@click.option("--output", metavar="DIR", type=click.Path(path_type=Path), help="Also write mix.svg and mix.json there.")
@click.option("--png", is_flag=True, help="And mix.png.")
@click.option("--quiet", "-q", is_flag=True, help="No progress, only the results.")
@json_option
@plugin_options
def command(source: Path, overrides: tuple[str, ...], choice: PluginChoice, **options: Any) -> None:
    """Choose a trade-off between a run's learners.

    RUN is a results folder. Its learners' weights are mixed in all proportions, along a line for two learners and on a
    grid for more, and every mix is measured. `robustkit export` writes the chosen one. PATH=VALUE words say where the
    data lies now, for example dataset.root=/data.
    """
    from robustkit.cli.attack_spec import parse_attacks
    from robustkit.cli.curve_files import CurveFiles
    from robustkit.cli.finished_run import open_run
    from robustkit.errors import InputError

    files = CurveFiles(options["output"], options["png"]) if options["output"] else None
    if options["png"] and files is None:
        raise InputError("--png needs a folder to write to: --output DIR.")
    if files:
        files.check(["mix"])
    words = [*overrides, *([f"device={options['device']}"] if options["device"] else [])]
    registry = choice.load().registry
    attacks = parse_attacks(options["specs"], registry) or None
    path = _measure(*open_run(source, words, registry), attacks, options)
    data = _result(path, options["weight"])
    written = _write(files, path, options["weight"], data) if files else []
    if options["as_json"]:
        print_json(data)
    else:
        _show(path, options["weight"], written)


def _measure(run: FinishedRun, recipe: Recipe, attacks: dict[str, Attack] | None, options: dict[str, Any]) -> MixPath:
    from robustkit.cli.screen import progress_display
    from robustkit.curves.mix_path import attacks_on, mix_path
    from robustkit.curves.mixing import simplex, written
    from robustkit.engine.launch import surroundings

    shares = simplex(len(recipe.learners), options["grid"]) if len(recipe.learners) > 1 else []
    with surroundings(recipe), progress_display(quiet=options["quiet"], err=True) as display:
        names = [written(dict(zip(recipe.learners, point, strict=True))) for point in shares]
        display.evaluation_started([*names, "global"], list(attacks or attacks_on(recipe, options["split"])))
        return mix_path(
            run,
            grid=options["grid"],
            attacks=attacks,
            split=options["split"],
            examples=options["examples"],
            batch_size=options["batch_size"],
            batch_norm=options["batch_norm"],
            recipe=recipe,
            report=display.measuring,
        )


def _result(path: MixPath, weight: float) -> dict[str, Any]:
    from importlib.metadata import version

    best = path.best(weight)
    return {
        "robustkit": version("robustkit-torch"),
        "best": {"weight": weight, "split": path.split, "score": best.score(weight), **best.plain()},
        "curves": {"mix": path.plain()},
    }


def _write(files: CurveFiles, path: MixPath, weight: float, data: dict[str, Any]) -> list[Path]:
    from robustkit.reporting.drawing import draw_mix_path

    title = f"Natural and robust accuracy between the learners {', '.join(path.learners)}"
    return files.write("mix", draw_mix_path(path, weight=weight), title, data)


def _show(path: MixPath, weight: float, written: list[Path]) -> None:
    from robustkit.curves.mixing import written as spelled

    best = path.best(weight)
    parts = list(path.merged.accuracies)
    rows = [_row(mix, path, weight, "<- best" if mix is best else "") for mix in path.mixes]
    rows.append(_row(path.merged, path, weight, "the run's global learner"))
    click.echo(table([*path.learners, *parts, "score", ""], rows))
    shares = spelled({name: share for name, share in best.shares.items() if share})
    click.echo(
        f"\non {path.merged.natural.examples:,} {path.split} examples, with 95 % intervals; "
        f"score = {weight:g} * natural + {1 - weight:g} * {parts[-1]}"
    )
    click.echo(path.caution())
    click.echo(f"\nbest at weight {weight:g}: {shares}")
    norm = "" if path.batch_norm in (None, "average") else f" --batch-norm {path.batch_norm}"
    click.echo(f"to keep it: robustkit export {path.run} --mix {shares}{norm} --output FILE.safetensors")
    for file in written:
        click.echo(f"wrote {file}")


def _row(mix: Mix, path: MixPath, weight: float, remark: str) -> list[str]:
    shares = [f"{mix.shares[name]:.4g}" if mix.shares else "-" for name in path.learners]
    return [*shares, *map(str, mix.accuracies.values()), f"{100 * mix.score(weight):.1f}", remark]
