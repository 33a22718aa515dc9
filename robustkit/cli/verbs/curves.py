"""`robustkit curves`: accuracy over eps and over steps, the loss around an example, and the trade-off plane."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from robustkit.cli.output import json_option, print_json, table, warn
from robustkit.cli.plugin_options import PluginChoice, plugin_options
from robustkit.cli.verbs.evaluate import batch_size_option, data_option, network_option

KINDS = ("eps", "steps", "surface", "trade-off")


class Kinds(click.ParamType):  # type: ignore[type-arg]  # no generic in click 8.1
    """Kinds of curves, separated by commas."""

    name = "kinds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """`eps,steps` as a tuple."""
        words = tuple(dict.fromkeys(word.strip() for word in value.split(","))) if isinstance(value, str) else value
        for word in words:
            if word not in KINDS:
                self.fail(f"expected some of {', '.join(KINDS)}, separated by commas, got {word!r}.", param, ctx)
        return tuple(words)


@click.command("curves")
@click.argument("sources", metavar="RUN-OR-WEIGHTS...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--kind", "kinds", metavar="KIND,...", type=Kinds(), help=f"Some of {', '.join(KINDS)}; default: all.")
@click.option("--output", metavar="DIR", required=True, type=click.Path(path_type=Path), help="Where to write.")
@click.option("--png", is_flag=True, help="Write a PNG beside every SVG.")
@network_option
@click.option("--attack", "spec", metavar="SPEC", help="Instead of the recipe's first final attack; as for evaluate.")
@data_option
@click.option(
    "--eps", metavar="EPS,...", help="Measure at these eps, for example 0,4/255,8/255; default: around its own."
)
@click.option("--steps", metavar="N,...", help="Measure with these steps; default: up to twice the attack's own.")
@click.option("--nested", is_flag=True, help="Broken at one eps is broken at every larger: quicker, but hides masking.")
@click.option(
    "--example", metavar="I", type=click.IntRange(min=0), default=0, show_default=True, help="Surface: which."
)
@click.option("--examples", metavar="N", type=click.IntRange(min=1), help="Only the first N test examples.")
@batch_size_option
@click.option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1, ...")
@click.option("--quiet", "-q", is_flag=True, help="No progress, only the results.")
@json_option
@plugin_options
def command(sources: tuple[Path, ...], choice: PluginChoice, **options: Any) -> None:
    """Draw accuracy over eps and steps, and more.

    RUN-OR-WEIGHTS is a results folder or a weights file; several are drawn into one plot. Every curve becomes an SVG
    file and a JSON file in the folder --output: eps (robust accuracy over the attack's eps), steps (over its steps),
    surface (margin and loss around one test example), trade-off (natural against robust accuracy of every network of a
    run, over its epochs). The attack is the first source's, the same for all.
    """
    from robustkit.cli.curve_files import CurveFiles
    from robustkit.cli.curve_job import CurveJob

    asked = options.pop("kinds")
    job = CurveJob.opened(sources, choice.load().registry, options)
    kinds = asked or job.possible()
    files = CurveFiles(options["output"], options["png"])
    files.check(name for kind in kinds for name in job.names(kind))
    found = job.measured(kinds)
    written = [path for item in found for path in files.write(item.name, item.figure(), item.title, item.data)]
    cautions = list(dict.fromkeys(text for item in found for text in item.cautions))
    if options["as_json"]:
        data = {item.name: item.data for item in found}
        return print_json({"curves": data, "cautions": cautions, "files": [str(path) for path in written]})
    for item in found:
        if item.rows:
            click.echo(f"{table(item.head, item.rows)}\n")
    for text in cautions:
        warn(text)
    for path in written:
        click.echo(f"wrote {path}")
    return None
