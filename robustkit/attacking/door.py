"""`perturb`: how every attack is run, in training and in evaluation alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar

import torch
from torch import Tensor, nn

from robustkit.attacking.isolation import frozen, private_randomness
from robustkit.attacking.lean import lean
from robustkit.attacking.replay import replay_now
from robustkit.attacking.streams import streams_from, using_streams
from robustkit.attacking.verification import check_batch, verified
from robustkit.components.attack import Attack
from robustkit.components.phases import phase
from robustkit.components.randomness import derive

_fallback_seeds = torch.Generator().manual_seed(0)
_seeds: ContextVar[torch.Generator] = ContextVar("attack_seeds", default=_fallback_seeds)


def perturb(
    attack: Attack,
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    seed: int | None = None,
    examples: Tensor | None = None,
) -> Tensor:
    """Attack a batch, leave the model exactly as it was, and return verified images.

    During the attack every module of the model is in eval mode and its parameters are frozen; afterwards, also when
    the attack raises, modes, `requires_grad`, `.grad`, buffers and the global random generators are as before.
    Images and budget stay in full precision: a half-precision network is attacked under `torch.autocast`, or wrapped in
    a module that converts images on their way in.

    Args:
        attack: what to do.
        model: maps images to logits (N, K).
        images: (N, C, H, W), float32 or float64, in [0, 1].
        labels: (N,), int64, on the images' device.
        seed: of the attack's private randomness; by default the next of the run's own stream.
        examples: (N,), int64, on the CPU: a number that names each example. What an attack draws for it depends on the
            seed and on this number, not on the batch. By default the places in the batch.

    Returns:
        Attacked images of the same shape and type, detached, in [0, 1], inside the attack's budget.

    Raises:
        InputError: images or labels are not as described.
        AttackError: the attack's result is outside its budget or [0, 1], or it changed the model's weights; such a
            result is never passed on.
    """
    check_batch(images, labels)
    if len(images) == 0:
        return images.detach().clone()
    replay = replay_now()
    repeated = None if replay is None else replay.find(attack, images)
    if repeated is not None:
        return repeated
    if seed is None:
        seed = int(torch.randint(2**62, (), generator=_seeds.get()))
    if examples is None:
        examples = torch.arange(len(images))
    with phase("attack"), frozen(model), _private(seed, examples, images.device), _with_gradients():
        # Made in here, so that both can be part of a graph even where the caller is in inference mode.
        clean, labels = images.detach().clamp(0.0, 1.0), labels.clone()
        # A copy: an attack that writes on its input must not move what its result is measured against.
        with lean(model, clean) as network:
            adversarial = attack(network, clean.clone(), labels)
    result = verified(attack, adversarial, clean)
    if replay is not None:
        replay.add(attack, result)
    return result


@contextmanager
def _private(seed: int, examples: Tensor, device: torch.device) -> Iterator[None]:
    """The examples' own streams, and for attacks that draw from global generators one seed a batch."""
    streams = streams_from(seed, examples.to(device))
    with using_streams(streams), private_randomness(derive(seed, "batch", int(examples[0])), device):
        yield


@contextmanager
def _with_gradients() -> Iterator[None]:
    """Gradients, also where the caller turned them off or is in inference mode."""
    with torch.inference_mode(False) if torch.is_inference_mode_enabled() else nullcontext(), torch.enable_grad():
        yield


@contextmanager
def attack_seeds(seed: int) -> Iterator[None]:
    """Within it, `perturb` draws its seeds from a stream that starts with this seed."""
    token = _seeds.set(torch.Generator().manual_seed(seed))
    try:
        yield
    finally:
        _seeds.reset(token)
