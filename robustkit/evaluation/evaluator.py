"""Natural and robust accuracy under any attacks, each on the examples that are right without it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from robustkit.attacking.door import perturb
from robustkit.attacking.isolation import modes_restored
from robustkit.attacking.lean import AttackArithmetic, attack_arithmetic
from robustkit.components.attack import Attack
from robustkit.components.examples import Examples
from robustkit.components.randomness import derive
from robustkit.errors import InputError
from robustkit.evaluation.measurement import Measurement
from robustkit.recipe.compute import Compute

Report = Callable[[str, int, int], None]
"""Told (natural or the attack's name, examples done, examples in all) after every batch."""


def evaluate(
    model: nn.Module,
    examples: Examples,
    attacks: Mapping[str, Attack] | None = None,
    *,
    batch_size: int = 500,
    seed: int = 0,
    report: Report | None = None,
    compute: Compute | None = None,
) -> Measurement:
    """Measure a network. It is put in eval mode meanwhile and left as it was.

    An example counts as robust to an attack only if the clean image and the attacked one are both classified right;
    so examples that are wrong already are not attacked.

    Args:
        model: maps images (N, C, H, W) in [0, 1] to logits (N, K).
        examples: what to measure on.
        attacks: by the names the result uses.
        batch_size: examples at a time.
        seed: of the attacks' randomness; each image has random numbers of its own, whatever the batch size and order.
        report: told about progress.
        compute: its `fold_batch_norm` and `evaluation` say how networks compute while they are attacked; what is clean
            or attacked is always classified in the model's own precision. By default `Compute()`.

    Raises:
        InputError: there are no examples, or the model's output is not (N, K) for K classes, or not a number.
        AttackError: an attack broke its budget.
    """
    if batch_size < 1:
        raise InputError(f"expected a batch_size of at least 1, got {batch_size}.")
    if len(examples) == 0:
        raise InputError("expected examples to measure on, got none.")
    with modes_restored(model):
        model.eval()
        job = _Job(model, examples, batch_size, seed, report or _unheard, _passes(compute or Compute()))
        return job.measure(attacks or {})


def _passes(compute: Compute) -> list[AttackArithmetic]:
    """How networks compute in each pass of an attack over the examples it has not broken yet."""
    full = AttackArithmetic("full", compute.fold_batch_norm)
    return [replace(full, precision="bfloat16"), full] if compute.evaluation == "bfloat16-first" else [full]


@dataclass(frozen=True)
class _Job:
    """One measurement."""

    model: nn.Module
    examples: Examples
    batch_size: int
    seed: int
    report: Report
    passes: list[AttackArithmetic]

    def measure(self, attacks: Mapping[str, Attack]) -> Measurement:
        started = time.perf_counter()
        natural = torch.zeros(len(self.examples), dtype=torch.bool)
        for indices in torch.split(torch.arange(len(natural)), self.batch_size):
            natural[indices] = self._right(*self._batch(indices))
            self.report("natural", int(indices[-1]) + 1, len(natural))
        attacked, seconds = {}, {"natural": time.perf_counter() - started}
        for name, attack in attacks.items():
            started = time.perf_counter()
            attacked[name] = self._robust(name, attack, natural)
            seconds[name] = time.perf_counter() - started
        return Measurement(natural, attacked, seconds)

    def _robust(self, name: str, attack: Attack, natural: Tensor) -> Tensor:
        """Which of the examples that are right without it are right under the attack, too."""
        robust, total, seed = natural.clone(), int(natural.sum()), derive(self.seed, name)
        for arithmetic in self.passes:
            settled = total - int(robust.sum())
            for indices in torch.split(robust.nonzero().flatten(), self.batch_size):
                images, labels = self._batch(indices)
                with attack_arithmetic(arithmetic):
                    adversarial = perturb(attack, self.model, images, labels, seed=seed, examples=names_of(images))
                robust[indices] = self._right(adversarial, labels)
                last = arithmetic is self.passes[-1]
                settled += len(indices) if last else len(indices) - int(robust[indices].sum())
                self.report(name, settled, total)
        return robust

    def _batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        like = next(self.model.parameters(), torch.zeros(()))
        here = indices.to(self.examples.labels.device)
        images = self.examples.images(here)
        images = images.to(like.device, like.dtype) if like.is_floating_point() else images.to(like.device)
        return images, self.examples.labels[here].to(like.device)

    @torch.no_grad()
    def _right(self, images: Tensor, labels: Tensor) -> Tensor:
        """Which images the model classifies right, on the CPU."""
        logits, classes = self.model(images), self.examples.num_classes
        fits = isinstance(logits, Tensor) and logits.ndim == 2 and len(logits) == len(images)
        if not fits or logits.shape[1] < classes:
            shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise InputError(f"expected logits ({len(images)}, {classes}) from the model, got {shape}.")
        if not bool(torch.isfinite(logits).all()):
            raise InputError("the model's logits are not finite: such a network has no accuracy.")
        right: Tensor = logits.argmax(1) == labels
        return right.cpu()


def names_of(images: Tensor) -> Tensor:
    """A number for each image (N, ...), int64, on the CPU, made from its pixels as float32.

    Random numbers that belong to it follow an image wherever it stands, in whatever order or part of a data set.
    """
    rows = images.detach().to("cpu", torch.float32).contiguous().numpy()
    digests = [hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in rows]
    return torch.tensor([int.from_bytes(digest, "big", signed=True) for digest in digests])


def _unheard(part: str, done: int, total: int) -> None:
    """Progress that nobody asked for."""
