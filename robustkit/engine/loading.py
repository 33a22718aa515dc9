"""Batches of examples on a run's device: gathered where the images lie, or decoded ahead by worker processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from robustkit.components.examples import Examples, as_floats
from robustkit.engine.workers import Workers, worker_count

Batch = tuple[Tensor, Tensor]
"""Images (n, C, H, W) in [0, 1] and labels (n,)."""


class BatchReader:
    """Reads batches of some examples onto a device. How it does so changes no bit of them.

    Resident examples are gathered on the device they are on, without waiting for it. The images of others are decoded
    ahead by worker processes, which stay until `close`, and reach a GPU as they are stored, from page-locked memory.

    Args:
        examples: on `device` already where they are resident.
        device: where batches go.
        dtype: of their images.
        workers: processes that decode, at most one a batch; None for one a core; 0 to decode in this process.
    """

    def __init__(
        self, examples: Examples, device: torch.device, dtype: torch.dtype, *, workers: int | None = 0
    ) -> None:
        self.examples, self.device, self.dtype = examples, device, dtype
        self._count = workers
        self._workers: Workers | None = None
        self._busy = False

    def read(self, indices: Tensor) -> Batch:
        """One batch, read in this process; `indices` are where the labels are."""
        return self._batch(indices, self.examples.pixels(indices))

    def batches(self, chosen: Sequence[Tensor]) -> Iterator[Batch]:
        """A batch for each of these tensors of indices, in their order.

        Only one caller at a time has the workers; for another, as for whoever comes first again, this process decodes.

        Raises:
            DataError: an image cannot be decoded.
            TrainingError: a worker process is gone.
        """
        if self.examples.resident or self._busy:
            yield from map(self.read, chosen)
            return
        missing = [self.examples.missing(indices) for indices in chosen]
        wanted = [indices for indices in missing if len(indices)]
        workers = self._employed(len(wanted))
        if workers is None:
            yield from map(self.read, chosen)
            return
        self._busy = True
        try:
            workers.order(wanted)
            for indices, absent in zip(chosen, missing, strict=True):
                if len(absent):
                    yield self._batch(indices, self.examples.complete(indices, absent, workers.take()))
                else:
                    yield self.read(indices)
        except BaseException:  # also where the caller stops early: what was ordered will not be taken any more
            self.close()
            raise
        finally:
            self._busy = False

    def close(self) -> None:
        """End the worker processes, if there are any."""
        if self._workers is not None:
            self._workers.close()
            self._workers = None

    def _employed(self, batches: int) -> Workers | None:
        """The workers, where there is anything left to decode for them."""
        if batches == 0:
            self.close()
        elif self._workers is None and (count := worker_count(self._count, batches)):
            self._workers = Workers(self.examples, count, pin=self.device.type == "cuda")
        return self._workers

    def _batch(self, indices: Tensor, pixels: Tensor) -> Batch:
        images = as_floats(self._here(pixels)).to(self.dtype)
        return images, self._here(self.examples.labels.index_select(0, indices))

    def _here(self, tensor: Tensor) -> Tensor:
        """On the device; a GPU copies from page-locked memory, for which nobody waits."""
        if self.device.type != "cuda" or tensor.is_cuda:
            return tensor.to(self.device)
        return (tensor if tensor.is_pinned() else tensor.pin_memory()).to(self.device, non_blocking=True)
