"""Contestants in processes of their own, where what they change (the memory allocator, say) is the whole process's.

A worker makes itself ready, then waits; each time it is told a name it does that piece of work once and answers with
the seconds it took. So processes take turns as functions do, and what each had to prepare (compilation, say) is paid
once.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from benchmarks.rounds import Contestant

ROOT = Path(__file__).resolve().parents[1]
COLD_COMPILER = {"TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}
"""What an earlier process compiled is compiled again, so that the time that takes can be told."""
KEPT_BUFFERS = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1)}
"""glibc keeps freed memory in the process: what `compute.keep_buffers` does, by the environment."""


class Worker:
    """A process that works when it is told to.

    Args:
        target: `module:function` of a function that takes a `Channel` and these arguments, by name.
        arguments: anything that JSON holds.
        threads: CPU threads in the process.
        environment: variables added to this process's own, of which glibc's are left out.
    """

    def __init__(
        self, target: str, arguments: Mapping[str, Any], *, threads: int, environment: Mapping[str, str] | None = None
    ) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
        words = [sys.executable, "-m", "benchmarks.workers", target, str(threads), json.dumps(dict(arguments))]
        self.target = target
        self._process = subprocess.Popen(
            words,
            cwd=ROOT,
            env={**inherited, "OMP_NUM_THREADS": str(threads), **COLD_COMPILER, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.facts = self._answer()

    def contestant(self, name: str = "") -> Contestant:
        """The work of this name."""
        return partial(self._work, name)

    def _work(self, name: str) -> float:
        assert self._process.stdin is not None
        self._process.stdin.write(name + "\n")
        self._process.stdin.flush()
        return float(self._answer()["seconds"])

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self.close()
            raise SystemExit(f"the worker {self.target} ended with {self._process.returncode}; its words are above.")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """There is no more work; wait until the process has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


class Channel:
    """The worker's end: says when it is ready, hears what to do next, answers how long it took."""

    def __init__(self, answers: int) -> None:
        self._answers = os.fdopen(answers, "w", encoding="utf-8")

    def ready(self, **facts: Any) -> None:
        """Everything is prepared; what the parent may want to know is told."""
        self._send(facts)

    def heard(self) -> str | None:
        """The name of the next piece of work; None when there is none any more."""
        line = sys.stdin.readline()
        return line.rstrip("\n") if line else None

    def took(self, seconds: float) -> None:
        """The piece of work is done."""
        self._send({"seconds": seconds})

    def serve(self, contestants: Mapping[str, Contestant], **facts: Any) -> None:
        """Say that all is ready, then do what is asked for until nothing is."""
        self.ready(**facts)
        while (name := self.heard()) is not None:
            self.took(contestants[name]())

    def _send(self, answer: Mapping[str, Any]) -> None:
        self._answers.write(json.dumps(dict(answer)) + "\n")
        self._answers.flush()


def main() -> None:
    """`python -m benchmarks.workers MODULE:FUNCTION THREADS ARGUMENTS`"""
    target, threads, arguments = sys.argv[1:]
    answers = os.dup(1)
    os.dup2(2, 1)  # whatever else is printed goes where errors go
    torch.set_num_threads(int(threads))
    module, _, function = target.partition(":")
    getattr(import_module(module), function)(Channel(answers), **json.loads(arguments))


if __name__ == "__main__":
    main()
