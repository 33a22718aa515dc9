"""Natural and robust accuracy under any attacks, each on the examples that are right without it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from robustkit.attacking.door import perturb
from robustkit.attacking.isolation import modes_restored
from robustkit.components.attack import Attack
from robustkit.components.examples import Examples
from robustkit.components.randomness import derive
from robustkit.errors import InputError
from robustkit.evaluation.measurement import Measurement

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
) -> Measurement:
    """Measure a network. It is put in eval mode meanwhile and left as it was.

    An example counts as robust to an attack only if the clean image and the attacked one are both classified right;
    so examples that are wrong already are not attacked.

    Args:
        model: maps images (N, C, H, W) in [0, 1] to logits (N, K).
        examples: what to measure on.
        attacks: by the names the result uses.
        batch_size: examples at a time.
        seed: of the attacks' randomness; each example has random numbers of its own, whatever the batch size.
        report: told about progress.

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
        return _measure(model, examples, attacks or {}, batch_size, seed, report or _unheard)


def _measure(
    model: nn.Module, examples: Examples, attacks: Mapping[str, Attack], batch_size: int, seed: int, report: Report
) -> Measurement:
    parameter = next(model.parameters(), torch.zeros(()))
    started = time.perf_counter()
    everything = torch.arange(len(examples))
    natural = torch.zeros(len(examples), dtype=torch.bool)
    for indices in torch.split(everything, batch_size):
        images, labels = _batch(examples, indices, parameter)
        natural[indices] = _right(model, images, labels, examples.num_classes).cpu()
        report("natural", int(indices[-1]) + 1, len(examples))
    seconds = {"natural": time.perf_counter() - started}
    attacked = {}
    for name, attack in attacks.items():
        started = time.perf_counter()
        robust = natural.clone()
        for number, indices in enumerate(torch.split(everything[natural], batch_size)):
            images, labels = _batch(examples, indices, parameter)
            adversarial = perturb(attack, model, images, labels, seed=derive(seed, name), examples=indices)
            robust[indices] = _right(model, adversarial, labels, examples.num_classes).cpu()
            report(name, number * batch_size + len(indices), int(natural.sum()))
        attacked[name] = robust
        seconds[name] = time.perf_counter() - started
    return Measurement(natural, attacked, seconds)


def _batch(examples: Examples, indices: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    here = indices.to(examples.labels.device)
    images = examples.images(here)
    images = images.to(like.device, like.dtype) if like.is_floating_point() else images.to(like.device)
    return images, examples.labels[here].to(like.device)


@torch.no_grad()
def _right(model: nn.Module, images: Tensor, labels: Tensor, classes: int) -> Tensor:
    logits = model(images)
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(images) or logits.shape[1] < classes:
        shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise InputError(f"expected logits ({len(images)}, {classes}) from the model, got {shape}.")
    if not bool(torch.isfinite(logits).all()):
        raise InputError("the model's logits are not finite: such a network has no accuracy.")
    return logits.argmax(1) == labels


def _unheard(part: str, done: int, total: int) -> None:
    """Progress that nobody asked for."""
