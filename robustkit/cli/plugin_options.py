"""`--plugin` and `--disable`, before the verb and after it."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from robustkit.cli.output import warn

if TYPE_CHECKING:
    from robustkit.plugin.manager import Plugins

Function = TypeVar("Function", bound=Callable[..., Any])

plugin_option = click.option(
    "--plugin",
    "plugin_files",
    metavar="FILE.py",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Also load this single-file plugin; may be repeated.",
)
disable_option = click.option(
    "--disable",
    "disabled",
    metavar="NAME",
    multiple=True,
    help="Leave out this installed plugin; may be repeated. ROBUSTKIT_DISABLE=NAME,... does the same.",
)


class PluginChoice(NamedTuple):
    """Which plugins a command line asks for beside the installed ones, and which it leaves out."""

    files: tuple[Path, ...] = ()
    disabled: tuple[str, ...] = ()

    def load(self, *, silent: bool = False) -> Plugins:
        """Load the plugins; what is wrong with installed ones is printed as one block, unless `silent`."""
        from robustkit.plugin.manager import Plugins

        plugins = Plugins(self.files, self.disabled)
        troubles = plugins.registry.troubles
        if troubles and not silent:
            count = "1 trouble" if len(troubles) == 1 else f"{len(troubles)} troubles"
            warn("\n  ".join([f"{count} with installed plugins, `robustkit plugins` shows what is usable:", *troubles]))
        return plugins

    def words(self) -> str:
        """The options that ask for the same again, with a space before each."""
        pairs = [("--plugin", str(file)) for file in self.files] + [("--disable", name) for name in self.disabled]
        return "".join(f" {option} {shlex.quote(value)}" for option, value in pairs)


def plugin_options(function: Function) -> Function:
    """Give a verb both options; its parameter `choice` gets them, joined with those before the verb."""

    @functools.wraps(function)
    def with_choice(*args: Any, plugin_files: tuple[Path, ...], disabled: tuple[str, ...], **others: Any) -> Any:
        before = click.get_current_context().find_object(PluginChoice) or PluginChoice()
        choice = PluginChoice((*before.files, *plugin_files), (*before.disabled, *disabled))
        return function(*args, choice=choice, **others)

    return plugin_option(disable_option(with_choice))  # type: ignore[return-value]
