"""Processes that decode images ahead of the training step."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.machinery import PathFinder
from importlib.util import module_from_spec, spec_from_file_location
from multiprocessing import resource_tracker
from multiprocessing.context import BaseContext
from pathlib import Path
from pickle import PicklingError
from types import TracebackType
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from robustkit.components.examples import Examples
from robustkit.errors import DataError, InputError, TrainingError

_WITHOUT = "To decode without worker processes, set compute.workers=0."


def worker_count(wanted: int | None, batches: int) -> int:
    """How many workers are of use: those wanted (None: one a core this process may use), at most one a batch."""
    if wanted is None:
        wanted = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(wanted, batches)


class Workers:
    """The worker processes of one collection of examples, kept until `close`: the DataLoader's, set up for our needs.

    They are started from a fork server: a fork of this process would copy locks that torch's threads hold, and fresh
    interpreters would each import torch for themselves, in seconds and 300 MB; the server does it once for all.

    Args:
        examples: of which each worker gets a pickled copy when it is first needed.
        count: how many processes, at least 1.
        pin: hand out images in page-locked memory, from which a GPU copies them without being waited for.
    """

    def __init__(self, examples: Examples, count: int, *, pin: bool) -> None:
        self._wanted: list[list[int]] = []
        self._batches: Iterator[Tensor | DataError] | None = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's advice to have no more workers than cores; the user chose
            self._loader: DataLoader[Tensor | DataError] = DataLoader(
                _Decoder(_Surroundings.of(examples), examples),
                batch_size=None,
                sampler=self._wanted,
                num_workers=count,
                pin_memory=pin,
                persistent_workers=True,
                multiprocessing_context=_context(),
                generator=torch.Generator(),  # the loader seeds its workers, and must not draw from the run's generator
                worker_init_fn=_begin,
            )

    def order(self, wanted: Sequence[Tensor]) -> None:
        """Have these batches of indices decoded, in this order; whatever was ordered before must have been taken.

        Raises:
            InputError: the examples cannot be sent to another process.
        """
        self._wanted[:] = [indices.tolist() for indices in wanted]
        try:
            with warnings.catch_warnings(), _main_left_out(self._loader.dataset), _interrupts_held():
                warnings.simplefilter("ignore")
                self._batches = iter(self._loader)
        except (PicklingError, AttributeError, TypeError) as error:
            text = f"the data set's examples cannot be pickled for worker processes: {error}. {_WITHOUT}"
            raise InputError(text) from error

    def take(self) -> Tensor:
        """The next batch as it is stored (n, C, H, W), in shared or page-locked memory.

        Raises:
            DataError: one of its images cannot be decoded, as without workers.
            TrainingError: a worker process is gone.
        """
        assert self._batches is not None, "order() comes before take()"
        try:
            decoded = next(self._batches)
        except RuntimeError as error:
            if str(error).startswith("DataLoader worker"):
                text = f"a process that decodes images has ended: {error}. Fewer workers need less memory. {_WITHOUT}"
                raise TrainingError(text) from error
            raise
        if isinstance(decoded, DataError):
            raise decoded
        return decoded

    def close(self) -> None:
        """End the processes; the next order starts others."""
        batches: Any = self._batches
        self._batches = self._loader._iterator = None
        if batches is not None:
            batches._shutdown_workers()  # as letting go of it does, but a traceback may hold on to it


def _context() -> BaseContext:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


class _Decoder(Dataset[Tensor | DataError]):
    """What a worker process does with the indices of a batch."""

    def __init__(self, surroundings: _Surroundings, examples: Examples) -> None:
        self.surroundings, self.examples = surroundings, examples

    def __reduce__(self) -> tuple[Any, ...]:
        return _Decoder, (self.surroundings, self.examples)  # unpickled in this order

    def __getitem__(self, indices: list[int]) -> Tensor | DataError:
        try:
            pixels = self.examples.pixels(torch.tensor(indices))
        except DataError as error:
            return error  # raised, the loader would wrap it into its traceback
        pixels.share_memory_()  # type: ignore[no-untyped-call]  # here, where a full /dev/shm is reported
        return pixels


@dataclass(frozen=True)
class _Surroundings:
    """What a new process lacks before it can unpickle examples: the working directory and the plugins' single files."""

    folder: str
    files: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, examples: Examples) -> _Surroundings:
        """Those of this process."""
        modules = {kind.__module__: sys.modules[kind.__module__] for kind in _kinds(examples)}
        files = [
            (name, str(Path(module.__file__).absolute()))
            for name, module in modules.items()
            if module.__file__ and name != "__main__" and PathFinder.find_spec(name.partition(".")[0]) is None
        ]
        return cls(str(Path.cwd()), tuple(files))

    def __reduce__(self) -> tuple[Any, ...]:
        return _enter, (self.folder, self.files)


def _kinds(examples: Examples) -> Iterator[type]:
    """The classes of these examples, of those they are a part of, and of all that these derive from."""
    part: Any = examples
    while part is not None:
        yield from (kind for kind in type(part).__mro__ if kind is not object)
        part = getattr(part, "whole", None)


def _enter(folder: str, files: tuple[tuple[str, str], ...]) -> _Surroundings:
    """Called in the worker process while it unpickles."""
    os.chdir(folder)
    for name, path in files:
        spec = spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return _Surroundings(folder, files)


def _begin(worker: int) -> None:
    """Called in the worker process before its first batch."""
    warnings.simplefilter("ignore")  # what users must know comes as an error
    sys.excepthook = _told
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        parent.join()
        os._exit(1)

    # The loader's workers look whether their parent is alive, but theirs is the fork server, which waits for them.
    threading.Thread(target=end_with_parent, daemon=True).start()


def _told(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print what nobody caught, but not that the run has ended while it was being handed a batch: it says so itself."""
    if not isinstance(error, ConnectionError):
        sys.__excepthook__(kind, error, trace)


@contextmanager
def _main_left_out(decoder: Any) -> Iterator[None]:
    """Keep new processes from importing the script that started the run, which most scripts would start again.

    Those that define the examples' class themselves must be imported, and be written for it.
    """
    main: Any = sys.modules["__main__"]
    names = [] if any(kind.__module__ == "__main__" for kind in _kinds(decoder.examples)) else ["__spec__", "__file__"]
    before = {name: vars(main)[name] for name in names if name in vars(main)}
    try:
        vars(main).update(dict.fromkeys(before))
        yield
    finally:
        vars(main).update(before)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Start processes that Ctrl-C does not reach: the run ends them, without a traceback from each."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # its start would let interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
