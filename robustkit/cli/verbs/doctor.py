"""`robustkit doctor`: is what looks robust only hiding from the attacks?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robustkit.cli.output import json_option, print_json, table
from robustkit.cli.plugin_options import PluginChoice, plugin_options
from robustkit.cli.verbs.evaluate import attack_option, attacks_option, data_option

if TYPE_CHECKING:
    from robustkit.cli.examining import Findings

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red", "skipped": "bright_black"}


@click.command("doctor")
@click.argument("model", metavar="MODEL")
@click.argument("overrides", metavar="[PATH=VALUE]...", nargs=-1)
@click.option("--network", metavar="NAME", help="Which of a run's networks: global (the default) or a learner's name.")
@click.option("--eps", metavar="NUMBER", help="Radius to examine with, 8/255 for example; else that of the attacks.")
@click.option("--norm", metavar="NORM", help="Linf, L2 or L1; else that of the attacks.")
@attack_option
@attacks_option
@data_option
@click.option("--check", "checks", metavar="NAME", multiple=True, help="Only this check; may be repeated.")
@click.option(
    "--examples",
    metavar="N",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    help="Only the first N test examples.",
)
@click.option("--batch-size", metavar="N", type=click.IntRange(min=1), help="Examples at a time.")
@click.option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1, ...")
@click.option("--gate", metavar="CONDITIONS", help="Exit with 1 unless they hold: 'autoattack>=40, no-fail'.")
@click.option("--junit", metavar="FILE.xml", type=click.Path(path_type=Path), help="Also write JUnit XML here.")
@click.option("--output", metavar="FILE.json", type=click.Path(path_type=Path), help="Also write the result here.")
@click.option("--quiet", "-q", is_flag=True, help="No progress, only the results.")
@json_option
@plugin_options
def command(
    model: str,
    overrides: tuple[str, ...],
    gate: str | None,
    junit: Path | None,
    output: Path | None,
    quiet: bool,
    as_json: bool,
    choice: PluginChoice,
    **options: Any,
) -> None:
    """Look for what makes robustness figures wrong.

    MODEL is a results folder, a weights file, or an architecture whose build gives a ready network, such as
    timm:model=resnet18,pretrained=true or one from --plugin; that needs --data. Checks look at the network, at the
    attacks it is evaluated by and, of a run, at its training. None of them can prove that it is robust.
    """
    from robustkit.cli.examining import Request, examine
    from robustkit.cli.junit import junit_xml
    from robustkit.errors import InputError

    for name, file in (("--output", output), ("--junit", junit)):
        if file is not None and (file.exists() or not file.parent.is_dir()):
            why = "is there already" if file.exists() else "its folder is not there"
            raise InputError(f"{file}: {why}. Name another file behind {name}.")
    found = examine(
        Request(model=model, overrides=overrides, gate=gate, **options), choice.load().registry, quiet=quiet
    )
    result = found.plain()
    if output is not None:
        output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if junit is not None:
        junit.write_bytes(junit_xml(model, found.diagnosis, found.gate, found.seconds))
    if as_json:
        print_json(result)
    else:
        _show(found)
    for outcome in found.missed:
        click.echo(
            f"{click.style('gate missed:', fg='red', bold=True)} {outcome.condition.text}: {outcome.text}", err=True
        )
    click.get_current_context().exit(1 if found.missed else 0)


def _show(found: Findings) -> None:
    from robustkit.evaluation.checks.diagnosis import CLOSING

    diagnosis = found.diagnosis
    rows = [[check.status, check.name, check.text] for check in diagnosis.checks]
    head, *lines = table(["status", "check", "found"], rows).splitlines()
    click.echo(head)
    for check, line in zip(diagnosis.checks, lines, strict=True):
        status = click.style(check.status, fg=_COLOURS[check.status], bold=check.status == "fail")
        click.echo(status + line.removeprefix(check.status))
    worrying = [check for check in diagnosis.checks if check.status in ("fail", "warn")]
    for check in worrying:
        click.echo(f"\n{click.style(check.name, bold=True)} ({check.status})")
        click.echo(f"  expected    {check.threshold}\n  what to do  {check.advice}\n  source      {check.source}")
    if found.accuracies or found.gate:
        click.echo()
    for name, accuracy in found.accuracies.items():
        click.echo(f"{name}: {accuracy}")
    for outcome in found.gate:
        click.echo(f"gate {outcome.condition.text}: {'holds' if outcome.holds else 'missed'} ({outcome.text})")
    budget = f"{diagnosis.budget.norm} {diagnosis.budget.eps:.6g}"
    click.echo(f"\non {diagnosis.examples:,} test examples, with {budget}, in {found.seconds:.1f} s")
    click.echo(CLOSING)
