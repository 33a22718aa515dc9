"""Which way of showing progress fits the place it is shown in."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from robustkit.cli.progress import Progress


def progress_display(*, quiet: bool = False, err: bool = False) -> Progress:
    """Bars on a terminal, lines elsewhere, nothing where nobody wants to see it; on stderr if `err`."""
    stream = sys.stderr if err else sys.stdout
    if quiet:
        from robustkit.cli.progress import Progress

        return Progress()
    if stream.isatty() and os.environ.get("TERM") != "dumb":
        from robustkit.cli.bars import Bars

        return Bars(err=err)
    from robustkit.cli.progress import Lines

    return Lines(err=err)
