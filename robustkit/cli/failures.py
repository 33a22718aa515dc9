"""What a user sees when something goes wrong: one message, an exit code, and a traceback only where asked for."""

from __future__ import annotations

import errno
import os
import signal
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click

TRACEBACK = "ROBUSTKIT_TRACEBACK"
INTERRUPTED = 130  # what shells give a command that Ctrl-C ended
TERMINATED = 143  # and one that SIGTERM did


class TerminatedError(KeyboardInterrupt):
    """SIGTERM, by which schedulers and `docker stop` end a process: to be treated as Ctrl-C is."""


def exit_code(interrupt: KeyboardInterrupt) -> int:
    """What a command that was interrupted so exits with."""
    return TERMINATED if isinstance(interrupt, TerminatedError) else INTERRUPTED


@contextmanager
def terminable() -> Iterator[None]:
    """Within it, SIGTERM raises what Ctrl-C does, unless whoever started the process has it ignored or handled."""
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise TerminatedError


@contextmanager
def explained(ctx: click.Context) -> Iterator[None]:
    """Within it, errors are printed to stderr and end the command with their exit code.

    Click's own exceptions (wrong usage, exits) and a reader that closed the pipe are left to click.
    """
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except KeyboardInterrupt as interrupt:
        click.echo("\ninterrupted", err=True)
        ctx.exit(exit_code(interrupt))
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.EPIPE:
            raise
        ctx.exit(_explain(error))


def _explain(error: Exception) -> int:
    """Print the error; returns the exit code."""
    from robustkit.errors import RecipeError, RobustkitError

    wanted = os.environ.get(TRACEBACK, "") not in ("", "0")
    if wanted:
        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    label = click.style("error:", fg="red", bold=True)
    if isinstance(error, RobustkitError):
        body, _, last = str(error).rpartition("\n") if isinstance(error, RecipeError) else ("", "", str(error))
        click.echo(f"{body}\n{label} {last}" if body else f"{label} {last}", err=True)
        return error.exit_code
    text = f"{type(error).__name__}: {' '.join(str(error).split())}"
    if type(error).__name__ == "OutOfMemoryError":
        text += " A smaller batch_size or evaluation.batch_size needs less memory."
    click.echo(f"{label} {text}", err=True)
    if not wanted:
        click.echo(f"This was not foreseen. {TRACEBACK}=1 shows where it was raised.", err=True)
    return 1
