"""The command `robustkit`: a group that knows its verbs by name and reads a verb's file when it is asked for."""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from robustkit.cli.failures import explained, terminable
from robustkit.cli.plugin_options import PluginChoice, disable_option, plugin_option

VERBS = (
    "run",
    "sweep",
    "estimate",
    "check",
    "show",
    "list",
    "evaluate",
    "compare",
    "report",
    "doctor",
    "curves",
    "mix",
    "export",
    "init",
    "plugins",
    "schema",
)


class Verbs(click.Group):
    """Finds verbs in `robustkit.cli.verbs`, and explains what goes wrong in them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, in the order in which they are met."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb's command, from its own file."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f"robustkit.cli.verbs.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but an unknown verb brings its nearest neighbour to mind."""
        if args and args[0] not in VERBS and not ctx.resilient_parsing:
            from robustkit.errors import did_you_mean, known

            ctx.fail(f"there is no verb {args[0]!r}.{did_you_mean(args[0], VERBS)} {known(VERBS)}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb."""
        with explained(ctx), terminable():
            return super().invoke(ctx)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@plugin_option
@disable_option
@click.version_option(package_name="robustkit-torch", prog_name="robustkit", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context, plugin_files: tuple[Path, ...], disabled: tuple[str, ...]) -> None:
    """Train and judge networks that must hold up against adversarial examples.

    A first run, which needs no download: robustkit run generalist
    """
    ctx.obj = PluginChoice(plugin_files, disabled)


def main() -> None:
    """What the installed command and `python -m robustkit` call."""
    if not sys.warnoptions:
        # Libraries warn their own developers; what users must know comes as an error or through the listener.
        warnings.simplefilter("ignore")
        warnings.filterwarnings("default", module="robustkit")
    cli(prog_name="robustkit")
