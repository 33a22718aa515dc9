"""A run of a sweep in a process of its own: `robustkit run`, which stops when its standard input ends.

The sweep holds the other end of that pipe, so it ends when the sweep does, even if that was killed.
"""

from __future__ import annotations

import os
import signal
import threading
import time

from robustkit.cli.failures import INTERRUPTED
from robustkit.cli.main import main

_PATIENCE = 20.0  # seconds from the interrupt to the end


def _watch() -> None:
    """Interrupt the run when the input ends."""
    os.read(0, 1)
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    time.sleep(_PATIENCE)
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a sweep in the background hands down that it is ignored
    threading.Thread(target=_watch, daemon=True).start()
    main()
